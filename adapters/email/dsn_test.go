package email

import (
	"strings"
	"testing"

	"permanence/bot/chat"
)

func TestDSN(t *testing.T) {
	const ours = "t1.abc@example.org"
	for name, tc := range map[string]struct {
		want    report
		state   string
		id      string
		receipt bool
		count   int
		reason  string // begins the French reason
	}{
		"L09": {report{"failed", "5.1.1", "550 5.1.1 <alice@example.net>: Recipient address rejected: User unknown", "alice@inside.example.net", "alice@example.net"},
			chat.Failed, ours, false, 1, "cette adresse n’existe pas"},
		"L10": {report{"delayed", "4.4.1", "connect to mx.example.net: Connection timed out", "alice@example.net", ""},
			chat.Delayed, ours, false, 1, "le serveur de destination ne répond pas"},
		"L11": {report{"failed", "5.0.0", "552 5.2.3 Message size exceeds fixed limit", "alice@example.net", ""},
			chat.Failed, ours, false, 2, "le message est trop gros"},
		"L12-noid": {report{"failed", "5.1.1", "", "alice@example.net", ""},
			chat.Failed, "", false, 1, "cette adresse n’existe pas"},
		"L12-qmail": {report{"failed", "5.1.1", "550 5.1.1 User unknown", "alice@example.net", ""},
			chat.Failed, ours, false, 1, "cette adresse n’existe pas"},
		"L12-exchange": {report{"failed", "5.2.2", "550 5.2.2 mailbox full ##", "alice@example.net", ""},
			chat.Failed, "", false, 1, "la boîte est pleine"},
		"L16": {report{"displayed", "", "", "alice@example.net", ""},
			"", ours, true, 1, "le message n’a pas pu être remis"},
	} {
		t.Run(name, func(t *testing.T) {
			m := parseFixture(t, name)
			d := m.DSN
			if d == nil {
				t.Fatal("not taken for a report")
			}
			if d.report != tc.want {
				t.Errorf("got %+v\nwant %+v", d.report, tc.want)
			}
			if d.state() != tc.state || d.MessageID != tc.id || d.Receipt != tc.receipt || len(d.Reports) != tc.count {
				t.Errorf("state %q, about %q, receipt %v, %d reports", d.state(), d.MessageID, d.Receipt, len(d.Reports))
			}
			if got := reason(d.Status, d.Diagnostic); !strings.HasPrefix(got.FR, tc.reason) || got.EN == "" {
				t.Errorf("reason %+v", got)
			}
			if !strings.HasPrefix(name, "L12-") && (m.Automatic == "" || len(m.Files) > 0) {
				t.Errorf("automatic %q, files %v", m.Automatic, m.Files)
			}
		})
	}
	for _, name := range []string{"L01", "M18", "T05"} {
		if d := parseFixture(t, name).DSN; d != nil {
			t.Errorf("%s is taken for a report: %+v", name, d)
		}
	}
}

func TestReason(t *testing.T) {
	for _, tc := range []struct{ status, diagnostic, fr, en string }{
		{"5.1.1", "", "cette adresse n’existe pas ; vérifiez son orthographe ou joignez la personne autrement (5.1.1)", "this address does not exist; check its spelling or reach the person in another way (5.1.1)"},
		{"", "550 no such user", "cette adresse n’existe pas", "this address does not exist"},
		{"5.0.0", "smtp; 554 5.7.26 DMARC", "notre domaine n’est pas authentifié", "our domain is not authenticated"},
		{"5.7.129", "", "cette boîte n’accepte", "this mailbox accepts"},
		{"5.7.133", "", "cette liste n’accepte", "this group accepts"},
		{"5.7.999", "", "le serveur de destination refuse ce message pour", "the destination server refuses this message for"},
		{"4.4.7", "", "le message attend", "the message has been waiting"},
		{"4.2.2", "", "la boîte est pleine", "the mailbox is full"},
		{"", "", "le message n’a pas pu être remis", "the message could not be delivered"},
		{"5.1.1", "550 @channel ![x](http://y)\x00", "cette adresse n’existe pas ; vérifiez son orthographe ou joignez la personne autrement (« 550 @\u2060channel [x](http://y) »)", "this address"},
	} {
		got := reason(tc.status, tc.diagnostic)
		if !strings.HasPrefix(got.FR, tc.fr) || !strings.HasPrefix(got.EN, tc.en) {
			t.Errorf("reason(%q, %q) = %+v", tc.status, tc.diagnostic, got)
		}
	}
}
