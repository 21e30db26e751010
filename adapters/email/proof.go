package email

import (
	"bytes"
	"net/mail"
	"strings"

	"github.com/emersion/go-msgauth/authres"
)

// proved tells whether our own mail server vouches for the sender: the topmost
// Authentication-Results bear its name (RFC 8601 section 5: anybody can have
// written the others) and hold a DMARC pass, or a DKIM or SPF pass that is
// aligned with the domain of From (RFC 7489 section 3.1). Alignment is
// stricter than DMARC's relaxed one, for want of a list of public suffixes: the
// proving domain is From's or one above it.
func proved(raw []byte, from, authservID string) bool {
	_, domain, ok := strings.Cut(from, "@")
	if authservID == "" || !ok || domain == "" {
		return false
	}
	// DMARC is about one From with one address; which of several a reader
	// sees depends on the reader.
	froms := rawFields(raw, "From")
	if len(froms) != 1 {
		return false
	}
	list, err := mail.ParseAddressList(froms[0])
	if err != nil || len(list) != 1 || !strings.EqualFold(list[0].Address, from) {
		return false
	}
	fields := rawFields(raw, "Authentication-Results")
	if len(fields) == 0 {
		return false
	}
	id, results, err := authres.Parse(fields[0])
	if err != nil {
		return false
	}
	id, _, _ = strings.Cut(id, " ") // a version number may follow
	if !strings.EqualFold(id, authservID) {
		return false
	}
	for _, r := range results {
		switch r := r.(type) {
		case *authres.DMARCResult:
			if r.Value == authres.ResultPass && strings.EqualFold(domainOf(r.From), domain) {
				return true
			}
		case *authres.DKIMResult:
			if r.Value == authres.ResultPass && aligned(domainOf(r.Domain), domain) {
				return true
			}
		case *authres.SPFResult:
			if r.Value == authres.ResultPass && aligned(domainOf(r.From), domain) {
				return true
			}
		}
	}
	return false
}

// domainOf gives the domain of an address, or of a bare domain.
func domainOf(s string) string {
	s = strings.Trim(s, "<>\" \t")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	return strings.ToLower(s)
}

// aligned: the proving domain is the sender's or one above it. A top-level
// domain proves nobody.
func aligned(proving, from string) bool {
	from = strings.ToLower(from)
	return strings.Contains(proving, ".") && (proving == from || strings.HasSuffix(from, "."+proving))
}

// rawFields gives the unfolded bodies of the header fields with that name, in
// the order of the mail's outermost header.
func rawFields(raw []byte, name string) []string {
	var fields []string
	inField := false
	for len(raw) > 0 {
		var line []byte
		line, raw, _ = bytes.Cut(raw, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if inField {
				fields[len(fields)-1] += " " + strings.TrimSpace(string(line))
			}
			continue
		}
		n, body, ok := bytes.Cut(line, []byte(":"))
		inField = ok && strings.EqualFold(strings.TrimSpace(string(n)), name)
		if inField {
			fields = append(fields, strings.TrimSpace(string(body)))
		}
	}
	return fields
}
