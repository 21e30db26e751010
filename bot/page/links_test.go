package page

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"permanence/tickets"
)

var secret = []byte("a secret of the installation, 32")

// friday is the second day of a week of the Unix calendar.
var friday = time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC)

func linksAt(now time.Time) Links {
	return Links{Base: "https://aide.example.org/", Secret: secret, Now: func() time.Time { return now }}
}

// parts takes a signed address apart.
func parts(t *testing.T, address string) (path, s, e string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path, u.Query().Get("s"), u.Query().Get("e")
}

func TestTicketLink(t *testing.T) {
	l := linksAt(friday)
	link := l.Ticket(42)
	if !regexp.MustCompile(`^https://aide\.example\.org/t/42\?s=[a-z2-7]{26}&e=\d{5}$`).MatchString(link) {
		t.Errorf("link %s", link)
	}
	for _, after := range []time.Duration{time.Hour, 3 * 24 * time.Hour} {
		if again := linksAt(friday.Add(after)).Ticket(42); again != link {
			t.Errorf("after %s the link is another: a card would change for nothing", after)
		}
	}
	if linksAt(friday.AddDate(0, 0, 7)).Ticket(42) == link {
		t.Error("the link never moves on")
	}
}

func TestCheckTicket(t *testing.T) {
	l := linksAt(friday)
	_, s, e := parts(t, l.Ticket(42))
	_, s43, _ := parts(t, l.Ticket(43))
	_, onPage, onPageEnd := parts(t, l.onPage(42, 42))
	other := l
	other.Secret = []byte("another secret of 32 bytes......")
	_, foreign, _ := parts(t, other.Ticket(42))
	tests := []struct {
		name     string
		id, s, e string
		now      time.Time
		ok       bool
	}{
		{"as signed", "42", s, e, friday, true},
		{"89 days later", "42", s, e, friday.AddDate(0, 0, 89), true},
		{"98 days later", "42", s, e, friday.AddDate(0, 0, 98), false},
		{"another ticket", "43", s, e, friday, false},
		{"another ticket's signature", "42", s43, e, friday, false},
		{"later end", "42", s, "99999", friday, false},
		{"no end", "42", s, "", friday, false},
		{"no signature", "42", "", e, friday, false},
		{"cut", "42", s[:25], e, friday, false},
		{"longer", "42", s + "a", e, friday, false},
		{"upper case", "42", strings.ToUpper(s), e, friday, false},
		{"first letter", "42", string(s[0]^1) + s[1:], e, friday, false},
		{"last letter", "42", s[:25] + string(s[25]^1), e, friday, false},
		{"leading zero", "042", s, e, friday, false},
		{"sign", "+42", s, e, friday, false},
		{"end with zero", "42", s, "0" + e, friday, false},
		{"not a number", "x", s, e, friday, false},
		{"zero", "0", s, e, friday, false},
		{"huge", "99999999999999999999", s, e, friday, false},
		{"a file's signature", "42", onPage, onPageEnd, friday, false},
		{"another installation's", "42", foreign, e, friday, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, ok := linksAt(tt.now).checkTicket(tt.id, tt.s, tt.e)
			if ok != tt.ok || ok && id != 42 || !ok && id != 0 {
				t.Errorf("got #%d, %v", id, ok)
			}
		})
	}
}

func TestCheckOnPage(t *testing.T) {
	l := linksAt(friday)
	_, s, e := parts(t, l.onPage(42, 7))
	_, page, pageEnd := parts(t, l.Ticket(42))
	tests := []struct {
		name               string
		ticket, file, s, e string
		now                time.Time
		ok                 bool
	}{
		{"as signed", "42", "7", s, e, friday, true},
		{"29 days later", "42", "7", s, e, friday.AddDate(0, 0, 29), true},
		{"38 days later", "42", "7", s, e, friday.AddDate(0, 0, 38), false},
		{"another file", "42", "8", s, e, friday, false},
		{"another ticket", "43", "7", s, e, friday, false},
		{"digits moved", "4", "27", s, e, friday, false},
		{"the page's signature", "42", "7", page, pageEnd, friday, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if id, ok := linksAt(tt.now).checkOnPage(tt.ticket, tt.file, tt.s, tt.e); ok != tt.ok || ok && id != 7 {
				t.Errorf("got %d, %v", id, ok)
			}
		})
	}
}

func TestFileLink(t *testing.T) {
	l := linksAt(friday)
	f := tickets.File{ID: 7, Name: "a.png"}
	link, hash, expires := l.File(f, friday)
	token := strings.TrimPrefix(link, "https://aide.example.org/f/")
	if !isToken(token) {
		t.Errorf("token %q of %s", token, link)
	}
	if hash != hashToken(token) || len(hash) != 64 || strings.Contains(link, hash) {
		t.Errorf("hash %q", hash)
	}
	if left := expires.Sub(friday); left < 30*24*time.Hour || left > 37*24*time.Hour {
		t.Errorf("expires after %s", left)
	}
	again, hash2, expires2 := l.File(tickets.File{ID: 7, Name: "renamed", Blob: "fetched"}, friday.Add(48*time.Hour))
	if again != link || hash2 != hash || !expires2.Equal(expires) {
		t.Errorf("within the week: %s until %s", again, expires2)
	}
	if next, _, _ := l.File(f, friday.AddDate(0, 0, 7)); next == link {
		t.Error("the token never ends")
	}
	if next, _, _ := l.File(tickets.File{ID: 8}, friday); next == link {
		t.Error("two files share a token")
	}
}

func TestNoLinks(t *testing.T) {
	tests := []struct {
		name     string
		l        Links
		incident string
	}{
		{"no web server", Links{Secret: secret}, ""},
		{"no secret", Links{Base: "https://aide.example.org"}, "https://aide.example.org/incidents/3"},
		{"a short secret", Links{Base: "https://aide.example.org", Secret: []byte("short"), Status: "https://etat.example.org/"}, "https://etat.example.org/incidents/3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.l.Ticket(42); got != "" {
				t.Errorf("ticket %q", got)
			}
			if link, hash, at := tt.l.File(tickets.File{ID: 7}, friday); link != "" || hash != "" || !at.IsZero() {
				t.Errorf("file %q %q %s", link, hash, at)
			}
			if got := tt.l.Incident(3); got != tt.incident {
				t.Errorf("incident %q", got)
			}
			if _, ok := tt.l.checkTicket("42", tt.l.sign("ticket page", 42, 99999), "99999"); ok {
				t.Error("what is signed with nothing opens something")
			}
		})
	}
}

// FuzzTicketPath: whatever stands in an address, only the one that we signed
// opens a page.
func FuzzTicketPath(f *testing.F) {
	l := linksAt(friday)
	u, err := url.Parse(l.Ticket(42))
	if err != nil {
		f.Fatal(err)
	}
	s, e := u.Query().Get("s"), u.Query().Get("e")
	f.Add("42", s, e)
	f.Add("042", s, e)
	f.Add("43", s, e)
	f.Add("42", strings.ToUpper(s), e)
	f.Add("42", s, "-1")
	f.Add("-9223372036854775808", "", "9223372036854775807")
	f.Add("42\x00", s+"=", " "+e)
	f.Fuzz(func(t *testing.T, id, sig, end string) {
		got, ok := l.checkTicket(id, sig, end)
		if asSigned := id == "42" && sig == s && end == e; ok != asSigned || ok && got != 42 {
			t.Errorf("%q %q %q opens #%d: %v", id, sig, end, got, ok)
		}
		if _, ok := l.checkOnPage(id, id, sig, end); ok {
			t.Errorf("%q %q %q opens a file", id, sig, end)
		}
		if isToken(sig) != regexp.MustCompile(`\A[a-z2-7]{25}[aeimquy4]\z`).MatchString(sig) {
			t.Errorf("token %q", sig)
		}
	})
}
