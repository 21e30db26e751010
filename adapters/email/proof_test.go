package email

import (
	"strings"
	"testing"
)

func TestProved(t *testing.T) {
	const us = "mx.example.org"
	for _, tt := range []struct {
		name   string
		header string
		want   bool
	}{
		{"dmarc", "Authentication-Results: mx.example.org; dmarc=pass header.from=example.net\n", true},
		{"dmarc, folded", "Authentication-Results: mx.example.org;\n\tspf=none;\n dmarc=pass (p=none)\n header.from=example.net\n", true},
		{"dmarc of another domain", "Authentication-Results: mx.example.org; dmarc=pass header.from=evil.example\n", false},
		{"dmarc fails", "Authentication-Results: mx.example.org; dmarc=fail header.from=example.net\n", false},
		{"aligned DKIM", "Authentication-Results: mx.example.org; dkim=pass header.d=example.net\n", true},
		{"DKIM of a domain above", "Authentication-Results: mx.example.org; dkim=pass header.d=EXAMPLE.net header.i=@a.example.net\n", true},
		{"DKIM of somebody else", "Authentication-Results: mx.example.org; dkim=pass header.d=list.example.com\n", false},
		{"DKIM of a part of the name", "Authentication-Results: mx.example.org; dkim=pass header.d=ample.net\n", false},
		{"DKIM of a domain below", "Authentication-Results: mx.example.org; dkim=pass header.d=evil.example.net\n", false},
		{"DKIM of the top level", "Authentication-Results: mx.example.org; dkim=pass header.d=net\n", false},
		{"aligned SPF", "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=alice@example.net\n", true},
		{"SPF of somebody else", "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bounce@example.com\n", false},
		{"SPF of the HELO name alone", "Authentication-Results: mx.example.org; spf=pass smtp.helo=example.net\n", false},
		{"nothing", "", false},
		{"another server's", "Authentication-Results: mx.evil.example; dmarc=pass header.from=example.net\n", false},
		{"ours below another's", "Authentication-Results: mx.evil.example; dmarc=fail\nAuthentication-Results: mx.example.org; dmarc=pass header.from=example.net\n", false},
		{"ours above a forged one of ours", "Authentication-Results: mx.example.org; dmarc=fail header.from=example.net\nAuthentication-Results: mx.example.org; dmarc=pass header.from=example.net\n", false},
		{"two From", "Authentication-Results: mx.example.org; dmarc=pass header.from=example.net\nFrom: bob@example.com\n", false},
		{"broken", "Authentication-Results: ;;;=\n", false},
	} {
		raw := crlf(tt.header + "From: Alice <alice@example.net>\nSubject: x\n\nAuthentication-Results: mx.example.org; dmarc=pass header.from=example.net\n")
		if got := proved(raw, "alice@example.net", us); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if proved(raw, "alice@example.net", "") {
			t.Errorf("%s: proved without a server to trust", tt.name)
		}
	}
	two := crlf("Authentication-Results: mx.example.org; dmarc=pass header.from=example.net\nFrom: alice@example.net, bob@example.com\n\n")
	if proved(two, "alice@example.net", us) {
		t.Error("two addresses in From are proved")
	}
}

func FuzzProved(f *testing.F) {
	f.Add([]byte("Authentication-Results: mx.example.org; dmarc=pass header.from=example.net\r\nFrom: alice@example.net\r\n\r\n"), "alice@example.net")
	f.Add([]byte("authentication-results: mx.example.org 1; dkim=pass\r\n header.d=\r\nFrom: a@b\r\n"), "a@b")
	f.Fuzz(func(t *testing.T, raw []byte, from string) {
		if proved(raw, from, "mx.example.org") && !strings.Contains(strings.ToLower(string(raw)), "mx.example.org") {
			t.Error("proved without our name")
		}
	})
}
