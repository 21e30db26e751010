package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"permanence/tickets"
)

// How long links live, in days. Each is rounded up to the end of a week, so
// that what is drawn twice within a week shows the same link: a card does not
// change only because it is drawn again.
const (
	week       = 7
	ticketDays = 90
	fileDays   = 30
)

// minSecret is the shortest secret in bytes that is signed with.
const minSecret = 16

// Links makes the addresses of our own pages, and recognises those of them
// that are signed. Without an address or without a secret of at least 16 bytes
// there are no signed links.
type Links struct {
	// Base is the public address of the web server, with the path below which
	// these pages stand, if any.
	Base string
	// Status is the public address of the status page; Base where empty.
	Status string
	// Secret is the installation's own. Another one makes every link of before
	// worthless.
	Secret []byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Ticket is the address of a ticket's team page, good for 90 to 97 days.
func (l Links) Ticket(id tickets.ID) string {
	if !l.signs() {
		return ""
	}
	e := weekEnd(l.today()) + ticketDays
	return fmt.Sprintf("%s/t/%d?s=%s&e=%d", base(l.Base), id, l.sign("ticket page", int64(id), e), e)
}

// Incident is the address of an incident's public page.
func (l Links) Incident(number int64) string {
	at := l.Status
	if at == "" {
		at = l.Base
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf("%s/incidents/%d", base(at), number)
}

// File is the address under which whoever has it may read a file, good for 30
// to 37 days after now; hash is what is stored of it. Within a week a file has
// one link, one hash and one end.
func (l Links) File(f tickets.File, now time.Time) (url, hash string, expires time.Time) {
	if !l.signs() {
		return "", "", time.Time{}
	}
	end := weekEnd(day(now))
	token := l.sign("file link", int64(f.ID), end)
	return base(l.Base) + "/f/" + token, hashToken(token), time.Unix((end+fileDays)*86400, 0).UTC()
}

// onPage is the address of a file relative to its ticket's page. It is signed
// for this file alone: who is given it cannot make the page's address of it.
func (l Links) onPage(ticket, file tickets.ID) string {
	e := weekEnd(l.today()) + fileDays
	return fmt.Sprintf("%d/f/%d?s=%s&e=%d", ticket, file, l.sign("file of page", int64(ticket), int64(file), e), e)
}

// checkTicket reads the parts of a ticket page's address as they came. ok is
// false where it was altered, was never signed, or has ended.
func (l Links) checkTicket(id, s, e string) (tickets.ID, bool) {
	n, ok := number(id)
	if !ok || !l.check(s, e, "ticket page", n) {
		return 0, false
	}
	return tickets.ID(n), true
}

// checkOnPage does the same for a file of a page.
func (l Links) checkOnPage(ticket, file, s, e string) (tickets.ID, bool) {
	t, ok := number(ticket)
	if !ok {
		return 0, false
	}
	f, ok := number(file)
	if !ok || !l.check(s, e, "file of page", t, f) {
		return 0, false
	}
	return tickets.ID(f), true
}

func (l Links) check(s, e, purpose string, ids ...int64) bool {
	end, ok := number(e)
	if !ok || !l.signs() {
		return false
	}
	want := l.sign(purpose, append(ids, end)...)
	return hmac.Equal([]byte(s), []byte(want)) && l.today() < end
}

// sign gives 128 bits of HMAC-SHA-256 in 26 characters of a-z and 2-7. The
// purpose keeps a signature of one kind of link from being one of another.
func (l Links) sign(purpose string, numbers ...int64) string {
	mac := hmac.New(sha256.New, l.Secret)
	mac.Write([]byte("permanence " + purpose))
	for _, n := range numbers {
		mac.Write([]byte("/" + strconv.FormatInt(n, 10)))
	}
	return lower32.EncodeToString(mac.Sum(nil)[:16])
}

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (l Links) signs() bool { return l.Base != "" && len(l.Secret) >= minSecret }

func (l Links) today() int64 {
	if l.Now == nil {
		return day(time.Now())
	}
	return day(l.Now())
}

// day counts days since the Unix epoch, weekEnd those until the first of the
// next week.
func day(t time.Time) int64     { return t.Unix() / 86400 }
func weekEnd(today int64) int64 { return today - today%week + week }

func base(address string) string { return strings.TrimRight(address, "/") }

// number reads a positive number written the one way that we write it, so that
// a page has one address.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// hashToken is what is stored of a token: who reads the database cannot make
// links of it.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// isToken tells whether s looks like a token of File, before anything is asked
// of the store.
func isToken(s string) bool {
	b, err := lower32.DecodeString(s)
	return err == nil && len(b) == 16 && lower32.EncodeToString(b) == s
}
