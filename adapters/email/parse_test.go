package email

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"permanence/internal/markup"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parseFixture(t testing.TB, name string) *message {
	t.Helper()
	m, err := parse(fixture(t, name), limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// want is what a fixture must give; "-" means empty, "" is not looked at.
type expected struct {
	subject, from, name, text, folded, automatic, id string
	problem                                          string // one begins with it
	files                                            []string
}

func (w expected) check(t *testing.T, m *message) {
	t.Helper()
	is := func(what, got, want string) {
		t.Helper()
		if want == "-" {
			want = ""
		} else if want == "" {
			return
		}
		if got != want {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
	}
	is("subject", m.Subject, w.subject)
	is("sender", m.From.Address, w.from)
	is("sender's name", m.From.Name, w.name)
	is("text", m.Text, w.text)
	is("folded", m.Folded, w.folded)
	is("automatic", m.Automatic, w.automatic)
	is("Message-ID", m.MessageID, w.id)
	if w.problem != "" && !slices.ContainsFunc(m.Problems, func(p string) bool { return strings.HasPrefix(p, w.problem) }) {
		t.Errorf("problems are %q, want %q", m.Problems, w.problem)
	}
	if w.files != nil {
		var got []string
		for _, f := range m.Files {
			got = append(got, f.Name+" "+f.Type)
		}
		if !slices.Equal(got, w.files) {
			t.Errorf("files are %q, want %q", got, w.files)
		}
	}
}

func TestParse(t *testing.T) {
	for name, w := range map[string]expected{
		"T05": {id: "-", text: "Sans identifiant."},
		"T11": {subject: "AW: WG: TR : Réf [#42]Extra"},
		"T24": {from: "a@phish.example"},
		"T26": {from: "list@lists.example", name: "Camille via list", automatic: "List-Id"},

		"L01":             {automatic: "Auto-Submitted", text: "Je suis absente."},
		"L02":             {automatic: "-"},
		"L03-bulk":        {automatic: "Precedence"},
		"L03-list":        {automatic: "Precedence"},
		"L03-junk":        {automatic: "Precedence"},
		"L03-auto":        {automatic: "Precedence"},
		"L03-x":           {automatic: "X-Precedence"},
		"L03-normal":      {automatic: "-"},
		"L04-suppress":    {automatic: "X-Auto-Response-Suppress"},
		"L04-none":        {automatic: "-"},
		"L04-autoreply":   {automatic: "X-Autoreply"},
		"L04-autorespond": {automatic: "X-Autorespond"},
		"L04-amazon":      {automatic: "X-Amazon-Mail-Relay-Type"},
		"L04-delivered":   {automatic: "Delivered-To"},
		"L08":             {automatic: "Return-Path"},

		"M01":             {subject: "café í\u00a0€ ab", name: "Caÿmille", text: "été \ufffd ab \ufffd fin"},
		"M02-default":     {text: "Été"},
		"M02-unknown":     {text: "Été"},
		"M02-html":        {text: "Été"},
		"M02-text":        {text: "Été", files: []string{}},
		"M02-cte":         {text: "Été"},
		"M02-png":         {text: "ok", files: []string{"a.png image/png"}},
		"M03-gb2312":      {text: "你好 僁 世界"},
		"M03-iso2022jp":   {text: "こんにちは", subject: "こんにちは"},
		"M03-iso2022jpms": {text: "です"},
		"M03-cp1252":      {text: "L’été €"},
		"M04":             {text: "ok", files: []string{"x.zip application/zip"}},
		"M05-split":       {text: "ok"},
		"M05-missing":     {text: "ok", problem: "mime"},
		"M05-other":       {text: "--other\nContent-Type: text/plain\n\nok\n--other--", problem: "mime"},
		"M06-open":        {from: "a@b", name: "foo"},
		"M06-accents":     {from: "herzlicheglückwünsche@local"},
		"M06-long":        {from: "-", problem: "from"},
		"M06-nonsense":    {from: "-", name: "undisclosed", problem: "from"},
		"M06-none":        {from: "-", problem: "from: missing"},
		"M06-two":         {from: "-", problem: "from: several"},
		"M07":             {from: "a@example.com", name: "Doe, evil@x.example"},
		"M08":             {subject: "hi Bcc: x@y", name: "Ca mille"},
		"M09-empty":       {text: "-", folded: "-"},
		"M09-html":        {text: "-"},
		"M09-file":        {text: "-", files: []string{"plan.pdf application/pdf"}},
		"M10": {text: "Bonjour, le site **boutique** renvoie une erreur depuis hier soir vers minuit, merci de regarder.",
			problem: "alternative"},
		"M10-plain": {text: "Bonjour, le site boutique renvoie une erreur depuis hier soir vers minuit, merci de regarder.",
			problem: "alternative"},
		"M12": {text: "Bonjour\n\n[image](http://169.254.169.254/latest)"},
		"M14": {text: "ok", files: []string{"winmail.dat application/ms-tnef"}, problem: "tnef"},
		"M15": {text: "Voici :\n\n[image: Logo.PNG]", files: []string{"capture.png image/png"}},
		"M16": {text: "Réunion\n\n[invitation: Point hebdo, technique, 2025-11-23 14:00, Salle 2]", files: []string{"invitation-2.ics text/calendar"}},
		"M17": {text: "[encrypted: PGP/MIME]", problem: "encrypted"},
		"M18": {text: "voir ci-joint", from: "camille@example.com", id: "m1@example.com", files: []string{"message-2.eml message/rfc822"}},
		"M21": {files: []string{
			"x application/pdf", "a.pdf_fdp.exe application/pdf", "a_b.pht application/pdf", "document-5.pdf application/pdf",
			"lé'te.txt application/pdf", "résumé.pdf application/pdf",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := parseFixture(t, name)
			w.check(t, m)
			checkMessage(t, m, fixture(t, name))
		})
	}
}

// checkMessage checks what holds for any mail.
func checkMessage(t *testing.T, m *message, raw []byte) {
	t.Helper()
	for _, s := range []string{m.Subject, m.Text, m.Folded, m.From.Name, m.From.Address, m.MessageID, m.EventID, m.ListID, strings.Join(m.References, " ")} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("not fit to be stored: %q", s)
		}
	}
	for _, s := range []string{m.Subject, m.From.Name, m.From.Address, m.MessageID, strings.Join(m.References, " ")} {
		if strings.ContainsAny(s, "\r\n") {
			t.Errorf("a line break in a field: %q", s)
		}
	}
	if m.RawHash == "" || !strings.Contains(m.EventID, "#") {
		t.Errorf("no name: %q %q", m.RawHash, m.EventID)
	}
	for _, f := range m.Files {
		if f.Name == "" || strings.ContainsAny(f.Name, "/\\\x00") || strings.HasPrefix(f.Name, ".") {
			t.Errorf("file name %q", f.Name)
		}
		var index int
		if _, err := fmt.Sscanf(f.Ref, m.RawHash+"/%d", &index); err != nil {
			t.Fatalf("reference %q: %v", f.Ref, err)
		}
		name, contentType, body, err := openPart(raw, index)
		if err != nil {
			t.Errorf("open %q: %v", f.Ref, err)
			continue
		}
		if name != f.Name || contentType != f.Type {
			t.Errorf("%q opens as %q, %q", f.Ref, name, contentType)
		}
		_ = body.Close()
	}
}

func TestReferences(t *testing.T) {
	m := parseFixture(t, "T02")
	if !slices.Equal(m.References, []string{"ack.42@example.org"}) {
		t.Errorf("T02: %q", m.References)
	}
	m = parseFixture(t, "T04")
	if len(m.References) != maxReferences || m.References[0] != "a@b" || m.References[1] != "last@example.org" || m.References[2] != "r699@example.org" {
		t.Errorf("T04: %d, %q", len(m.References), m.References[:3])
	}
	m = parseFixture(t, "M18")
	if len(m.References) != 0 {
		t.Errorf("M18: the header of an attached mail is used: %q", m.References)
	}
}

// T06: what is no Message-ID matches nothing, least of all another of its kind.
func TestParseMessageID(t *testing.T) {
	for name, id := range map[string]string{
		"T06-empty": "", "T06-brackets": "", "T06-bare": "abc@example.com", "T06-spaces": "ab@example.com", "T06-long": "",
	} {
		m := parseFixture(t, name)
		if m.MessageID != id {
			t.Errorf("%s: %q, want %q", name, m.MessageID, id)
		}
		if !strings.HasPrefix(m.EventID, id+"#") {
			t.Errorf("%s: event %q", name, m.EventID)
		}
	}
}

func TestDelivered(t *testing.T) {
	m := parseFixture(t, "T16")
	if want := []string{"support+t.abc@example.org", "support@example.org", "alias@example.org"}; !slices.Equal(m.Delivered, want) {
		t.Errorf("got %q, want %q", m.Delivered, want)
	}
	if m := parseFixture(t, "T24"); m.ReplyTo.Address != "boss@known.example" || m.Sender.Address != "relay@phish.example" {
		t.Errorf("reply to %q, sender %q", m.ReplyTo, m.Sender)
	}
	if m := parseFixture(t, "T26"); m.ListID != "list.lists.example" {
		t.Errorf("list %q", m.ListID)
	}
}

// M22: the header's date may say anything.
func TestDate(t *testing.T) {
	for name, want := range map[string]time.Time{
		"M22-2038":  time.Date(2038, 1, 20, 10, 0, 0, 0, time.UTC),
		"M22-1970":  time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		"M22-none":  {},
		"M22-words": {},
	} {
		if got := parseFixture(t, name).Date; !got.Equal(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	parseFixture(t, "M22-2500")
}

// The same mail by two roads is one event; another one under its Message-ID
// is another event (T05, T07, T08).
func TestEventID(t *testing.T) {
	id := func(s string) string {
		m, err := parse([]byte(s), limits{})
		if err != nil {
			t.Fatal(err)
		}
		return m.EventID
	}
	const a = "From: a@example.com\r\nMessage-ID: <x@y>\r\nSubject: s\r\n\r\nun\r\ndeux\r\n"
	for _, same := range []string{
		"Return-Path: <a@example.com>\r\nDelivered-To: support@example.org\r\nReceived: from x\r\n by y\r\n" + a,
		strings.ReplaceAll(a, "\r\n", "\n"),
		a + "\r\n\r\n",
		strings.Replace(a, "un\r", "un  \r", 1),
		strings.Replace(a, "Subject: s", "Subject:\r\n s", 1),
		"X-Spam-Score: 3\r\nDKIM-Signature: v=1\r\n" + a,
	} {
		if id(same) != id(a) {
			t.Errorf("another event: %q", same)
		}
	}
	for _, other := range []string{
		strings.Replace(a, "deux", "trois", 1),
		strings.Replace(a, "a@example", "b@example", 1),
		strings.Replace(a, "<x@y>", "<z@y>", 1),
		strings.Replace(a, "\r\ndeux", "\r\n\r\ndeux", 1),
		strings.Replace(a, "Message-ID: <x@y>\r\n", "", 1),
		strings.Replace(a, "Subject: s", "Subject: s\r\nDate: Tue, 3 Jun 2025 10:11:12 +0200", 1),
	} {
		if id(other) == id(a) {
			t.Errorf("the same event: %q", other)
		}
	}
	if got := id(a); !strings.HasPrefix(got, "x@y#") || len(got) > 40 {
		t.Errorf("event %q", got)
	}
}

func TestParseAddresses(t *testing.T) {
	for in, want := range map[string][]address{
		"a@b.fr":                                  {{"", "a@b.fr"}},
		"A@B.FR, <c@d.fr>":                        {{"", "a@b.fr"}, {"", "c@d.fr"}},
		`"Doe, Jane" <j@d.fr>, x@y.fr (Alex)`:     {{"Doe, Jane", "j@d.fr"}, {"Alex", "x@y.fr"}},
		"amis: a@b.fr, c@d.fr; e@f.fr":            {{"", "a@b.fr"}, {"", "c@d.fr"}, {"", "e@f.fr"}},
		"undisclosed-recipients:;":                nil,
		`"a \"b\" c" <a@b.fr>`:                    {{`a "b" c`, "a@b.fr"}},
		"<@route.example:a@b.fr>":                 {{"", "a@b.fr"}},
		`"open <a@b.fr>`:                          {{`"open`, "a@b.fr"}},
		"foo <a@b.fr, c@d.fr":                     {{"foo", "a@b.fr"}, {"", "c@d.fr"}},
		"=?utf-8?Q?x=2C_y=40z?= <a@b.fr>":         {{"x, y@z", "a@b.fr"}},
		`"evil@x.fr" <a@b.fr>`:                    {{"evil@x.fr", "a@b.fr"}},
		`"<evil@x.fr>" <a@b.fr>`:                  {{"<evil@x.fr>", "a@b.fr"}},
		"a b@c.fr":                                {{"a b@c.fr", ""}},
		"a@b@c.fr":                                {{"a@b@c.fr", ""}},
		"a@b.fr\u202e":                            {{"a@b.fr", ""}},
		",,;":                                     nil,
		"=?utf-8?B?w6l0?= =?utf-8?B?w6k=?= <a@b>": {{"été", "a@b"}},
	} {
		got := parseAddresses(in, 10)
		if !slices.Equal(got, want) {
			t.Errorf("parseAddresses(%q) = %q, want %q", in, got, want)
		}
	}
	if got := parseAddresses(strings.Repeat("a@b.fr,", 100_000), 5); len(got) != 5 {
		t.Errorf("%d addresses", len(got))
	}
}

func TestDecodeWords(t *testing.T) {
	for in, want := range map[string]string{
		"=?utf-8?B?w6k=?=":                        "é",
		"a =?utf-8?Q?b_c?= d":                     "a b c d",
		"=?utf-8?B?4oI=?= =?utf-8?B?rA==?=":       "€",
		"=?iso-8859-1?Q?=E9?= =?utf-8?Q?=C3=A9?=": "éé",
		"=?utf-8?Q?a b?=":                         "a b",
		"=?broken?":                               "=?broken?",
		"=?a?=?b":                                 "=?a?=?b",
		"=?utf-8*fr?Q?=C3=A9?=":                   "é",
		"=?nope?Q?=E9?=":                          "é",
		"caf\xe9":                                 "café",
		"=?utf-8?X?a?=":                           "=?utf-8?X?a?=",
	} {
		if got := decodeWords(in); got != want {
			t.Errorf("decodeWords(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDecodeTransfer(t *testing.T) {
	for _, tc := range []struct{ encoding, in, want string }{
		{"base64", "YWJj", "abc"},
		{"BASE64", "YW\r\nJj!ZA", "abcd"},
		{"base64", "YQ==YmM=", "abc"},
		{"base64", "Y", ""},
		{"quoted-printable", "a=C3=A9=\r\nb=3", "aéb=3"},
		{"quoted-printable", "a=\r\n", "a"},
		{"quoted-printable", "a = b =ZZ\r\nc", "a = b =ZZ\nc"},
		{"utf-8", "a=3D", "a=3D"},
	} {
		if got := string(decodeTransfer([]byte(tc.in), tc.encoding)); got != tc.want {
			t.Errorf("%s %q = %q, want %q", tc.encoding, tc.in, got, tc.want)
		}
	}
}

// M05, M20: mails made to hurt cost little, and what they say is shown.
func TestHostileMail(t *testing.T) {
	const head = "From: a@example.com\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
	nested := head
	for i := range 5000 {
		nested += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	for name, raw := range map[string]string{
		"nested":          nested + "ok",
		"parts":           head + strings.Repeat("--b0\r\nContent-Type: text/plain\r\n\r\nok\r\n", 10_000),
		"bare parts":      head + strings.Repeat("--b0\r\n\r\nok\r\n", 100_000),
		"attachments":     head + strings.Repeat("--b0\r\nContent-Disposition: attachment; filename=a\r\n\r\nok\r\n", 10_000),
		"header":          "From: a@example.com\r\n" + strings.Repeat("X-A: b\r\n", 200_000) + "\r\nok",
		"one field":       "From: a@example.com\r\nSubject: " + strings.Repeat("=?utf-8?Q?a?= ", 100_000) + "\r\n\r\nok",
		"recipients":      "From: a@example.com\r\nTo: " + strings.Repeat("a@example.com, ", 100_000) + "\r\n\r\nok",
		"brackets":        "From: " + strings.Repeat("<", 100_000) + "\r\n\r\nok",
		"quotes":          "From: " + strings.Repeat("\"", 100_000) + "\r\n\r\nok",
		"comments":        "From: " + strings.Repeat("(", 100_000) + "\r\nReferences: " + strings.Repeat("(", 100_000) + "\r\n\r\nok",
		"references":      "From: a@b\r\nReferences: " + strings.Repeat("<", 100_000) + "\r\nIn-Reply-To: " + strings.Repeat("<a@b>", 50_000) + "\r\n\r\nok",
		"long line":       "From: a@example.com\r\n\r\nok" + strings.Repeat("a", 5<<20),
		"many lines":      "From: a@example.com\r\n\r\nok\r\n" + strings.Repeat("Le 3 juin\r\n", 200_000),
		"attributions":    "From: a@example.com\r\nIn-Reply-To: <a@b>\r\n\r\nok\r\n" + strings.Repeat("Le 3, a\r\nDe : x\r\n", 50_000),
		"quoted lines":    "From: a@example.com\r\n\r\nok\r\nLe 3 juin, x a écrit :\r\n" + strings.Repeat("> a\r\nb\r\n", 100_000),
		"deep html":       "From: a@example.com\r\nContent-Type: text/html\r\n\r\nok" + strings.Repeat("<div>", 100_000),
		"long boundary":   "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=" + strings.Repeat("b", 9000) + "\r\n\r\n--" + strings.Repeat("b", 9000) + "\r\n\r\nok",
		"status":          "From: a@example.com\r\nContent-Type: multipart/report; boundary=b0\r\n\r\n--b0\r\nContent-Type: text/plain\r\n\r\nok\r\n--b0\r\nContent-Type: message/delivery-status\r\n\r\n" + strings.Repeat("Action: failed\r\nStatus: 5.1.1\r\n\r\n", 50_000),
		"no header":       "\r\n\r\nok",
		"only a header":   "From: a@example.com ok",
		"only separators": head + strings.Repeat("--b0--\r\n", 1000) + "ok",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			m, err := parse([]byte(raw), limits{})
			if err != nil {
				t.Fatal(err)
			}
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("took %v", d)
			} else if d > 500*time.Millisecond {
				t.Logf("took %v", d)
			}
			if len(m.Problems) > 20 || len(m.Files) > 1000 || len(m.To) > 500 {
				t.Errorf("%d problems, %d files, %d recipients", len(m.Problems), len(m.Files), len(m.To))
			}
		})
	}
}

func TestParseTooLarge(t *testing.T) {
	raw := []byte("From: a@example.com\r\nSubject: gros\r\n\r\n" + strings.Repeat("abc\r\n", 1000))
	m, err := parse(raw, limits{Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	expected{subject: "gros", from: "a@example.com", files: []string{"message.eml message/rfc822"}, problem: "size"}.check(t, m)
	if _, _, body, err := openPart(raw, 0); err != nil {
		t.Error(err)
	} else if got, _ := io.ReadAll(body); !bytes.Equal(got, raw) {
		t.Error("the whole mail is not its file 0")
	}
	if _, err := parse(nil, limits{}); err == nil {
		t.Error("nothing is a mail")
	}
	for _, index := range []int{-1, 2, 1000} {
		if _, _, _, err := openPart(raw, index); err == nil {
			t.Errorf("part %d can be opened", index)
		}
	}
}

// M11, M13: nothing of it is active where it is shown.
func TestInertMail(t *testing.T) {
	m := parseFixture(t, "M11")
	for _, bad := range []string{"<script", "onclick", "onerror", "svg", "data:", "mso"} {
		if strings.Contains(m.Text, bad) {
			t.Errorf("%q is left in %q", bad, m.Text)
		}
	}
	if !strings.Contains(m.Text, "Bonjour") {
		t.Errorf("words are lost: %q", m.Text)
	}
	shown := markup.Inert(parseFixture(t, "M13").Text)
	for _, bad := range []string{"@channel", "@here", "@room", "\n!", "\n/", "![", "Control:"} {
		if strings.Contains("\n"+shown, bad) {
			t.Errorf("%q is left in %q", bad, shown)
		}
	}
}

func TestOpenPart(t *testing.T) {
	name, contentType, body, err := openPart(fixture(t, "M02-png"), 2)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := io.ReadAll(body)
	if name != "a.png" || contentType != "image/png" || !bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")) || len(content) != 48 {
		t.Errorf("%q %q %q", name, contentType, content)
	}
	if m := parseFixture(t, "M15"); m.Files[0].ContentID != "logo.png@01d" {
		t.Errorf("cid %q", m.Files[0].ContentID)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(raw) < 5000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parse(raw, limits{})
		if err != nil {
			if len(bytes.TrimSpace(raw)) > 0 {
				t.Error(err)
			}
			return
		}
		checkMessage(t, m, raw)
		again, err := parse(raw, limits{})
		if err != nil || again.EventID != m.EventID || again.Text != m.Text {
			t.Errorf("not the same twice: %v", err)
		}
	})
}
