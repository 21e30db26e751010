package email

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"
)

// Tokens prove that an address or a Message-ID was made here. They look like
//
//	support+t.<thread>.<mac>@example.org        reply address
//	p.<thread>.<key>.<mac>@example.org          Message-ID
//
// where mac authenticates the role address, the thread and, in a Message-ID,
// the delivery's key. Everything is lower case: some clients lower-case
// addresses, so tokens are compared without regard to it. A token says where a
// mail belongs; it does not say that its sender may speak there.

const (
	threadLen = 16 // characters of a thread identifier, 80 bits
	macLen    = 16 // characters of a mac, 80 bits: 5,000 guesses a minute take 10^14 years
	keyLen    = 40 // longest delivery key that is carried as it is
	localMax  = 64 // octets of a local part, RFC 5321 section 4.5.3.1.1
)

// verdict is what looking at a possible token tells.
type verdict int

const (
	notOurs verdict = iota // not the form of a token
	refused                // the form of a token that we did not make
	genuine
)

// tokens makes and verifies them with the adapter's secret.
type tokens struct {
	secret []byte
	domain string // of Message-IDs
	sep    string // of subaddresses, empty for none
}

// lower32 is base32 in lower case without padding.
func lower32(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// sum gives the first n characters of the MAC over the parts. Each part is
// preceded by its length, so that no two lists read alike; the first part is
// the purpose.
func (t tokens) sum(n int, parts ...string) string {
	h := hmac.New(sha256.New, t.secret)
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return lower32(h.Sum(nil))[:n]
}

func equal(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// newThread names a new thread of a role. The same delivery always gets the
// same, so that a retry stays in the thread of the first attempt.
func (t tokens) newThread(r role, key string) string {
	return t.sum(threadLen, "thread", r.address(), key)
}

// replyAddress is the role's address with a token for the thread; ok is false
// where subaddresses are off or the local part would be too long.
func (t tokens) replyAddress(r role, thread string) (address string, ok bool) {
	if t.sep == "" {
		return "", false
	}
	local := r.local + t.sep + "t." + thread + "." + t.sum(macLen, "reply", r.address(), thread)
	return local + "@" + r.domain, len(local) <= localMax
}

// readReply looks for a token of role r in an address.
func (t tokens) readReply(r role, address string) (thread string, v verdict) {
	if t.sep == "" {
		return "", notOurs
	}
	rest, ok := strings.CutPrefix(strings.ToLower(address), r.local+t.sep+"t.")
	if !ok {
		return "", notOurs
	}
	rest, ok = strings.CutSuffix(rest, "@"+r.domain)
	if !ok {
		return "", notOurs
	}
	thread, mac, ok := strings.Cut(rest, ".")
	if !ok || !isThread(thread) || !equal(mac, t.sum(macLen, "reply", r.address(), thread)) {
		return "", refused
	}
	return thread, genuine
}

var errThread = errors.New("not a thread that this adapter made")

// messageID is the bare Message-ID of the delivery key in a thread of role r.
// It depends on nothing else, so that every attempt at a delivery has the same.
func (t tokens) messageID(r role, thread, key string) (string, error) {
	if !isThread(thread) {
		return "", errThread
	}
	if key == "" {
		return "", errors.New("a mail needs the key of its delivery")
	}
	return "p." + thread + "." + encodeKey(key) + "." + t.sum(macLen, "message", r.address(), thread, key) + "@" + t.domain, nil
}

// readMessageID looks whether a bare Message-ID is one that role r sent. The
// domain does not count, as the configuration may have changed it; but the same
// form under another domain is merely another installation's.
func (t tokens) readMessageID(r role, id string) (thread, key string, v verdict) {
	local, domain, _ := strings.Cut(strings.ToLower(id), "@")
	parts := strings.Split(local, ".")
	if len(parts) != 4 || parts[0] != "p" || !isThread(parts[1]) || len(parts[3]) != macLen {
		return "", "", notOurs
	}
	key, ok := decodeKey(parts[2])
	if ok && equal(parts[3], t.sum(macLen, "message", r.address(), parts[1], key)) {
		return parts[1], key, genuine
	}
	if domain == t.domain {
		return "", "", refused
	}
	return "", "", notOurs
}

// isThread tells whether s has the form of what newThread makes.
func isThread(s string) bool {
	return len(s) == threadLen && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// encodedKey begins a key that is not carried as it is.
const encodedKey = "b32-"

// encodeKey writes a delivery key so that it can stand in a Message-ID and
// survive a change of case.
func encodeKey(key string) string {
	if plainKey(key) && !strings.HasPrefix(key, encodedKey) {
		return key
	}
	return encodedKey + lower32([]byte(key))
}

// decodeKey is the reverse of encodeKey.
func decodeKey(s string) (key string, ok bool) {
	rest, encoded := strings.CutPrefix(s, encodedKey)
	if !encoded {
		return s, plainKey(s)
	}
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(rest))
	return string(b), err == nil && encodeKey(string(b)) == s
}

func plainKey(s string) bool {
	return s != "" && len(s) <= keyLen && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
