package irc

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestSCRAM goes through the example of RFC 7677, section 3.
func TestSCRAM(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const (
		serverFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
		clientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
		serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	)
	for _, tt := range []struct{ first, final, want string }{
		{serverFirst, serverFinal, ""},
		{serverFirst, "v=" + encode("faux"), "prove"},
		{serverFirst, "e=invalid-proof", "prove"},
		{"m=x," + serverFirst, "", "extension"},
		{strings.Replace(serverFirst, "rOpr", "autre", 1), "", "not right"},
		{strings.Replace(serverFirst, "4096", "0", 1), "", "not right"},
		{strings.Replace(serverFirst, "4096", "999999999", 1), "", "not right"},
		{"", "", "not right"},
	} {
		why := ""
		m := newSCRAM("user", "pencil", func(s string) { why = s })
		m.nonce = "rOprNGfwEbeRWgbNEkqO"
		if got := m.Encode([]string{"+"}); got != encode("n,,n=user,r=rOprNGfwEbeRWgbNEkqO") {
			t.Errorf("first message %q", got)
		}
		got := m.Encode([]string{encode(tt.first)})
		if tt.final != "" {
			if got != encode(clientFinal) {
				t.Errorf("final message %q", got)
			}
			got = m.Encode([]string{encode(tt.final)})
		}
		if tt.want == "" && (got != "+" || why != "") || tt.want != "" && (got != "" || !strings.Contains(why, tt.want)) {
			t.Errorf("%+v: %q, %q", tt, got, why)
		}
	}
	if got := saslPrepare("I\u00adX \u2168 \u00a0ª"); got != "IX IX  a" {
		t.Errorf("%q", got)
	}
}

// FuzzSCRAM: whatever a server says, nothing but the right proof lets us in.
func FuzzSCRAM(f *testing.F) {
	f.Add("r=nonce123,s=c2Vs,i=4096", "v=AAAA")
	f.Add("m=1", "e=other-error")
	f.Add("r=,s=,i=", "")
	f.Fuzz(func(t *testing.T, first, final string) {
		if i := strings.LastIndex(first, "i="); i >= 0 && len(first)-i > len("i=4096") {
			return // slow up to maxIterations, and refused above
		}
		m := newSCRAM("user", "pencil", func(string) {})
		m.Encode([]string{"+"})
		m.nonce = "nonce"
		m.Encode([]string{base64.StdEncoding.EncodeToString([]byte(first))})
		if m.Encode([]string{base64.StdEncoding.EncodeToString([]byte(final))}) == "+" {
			t.Fatalf("%q, %q let in", first, final)
		}
	})
}
