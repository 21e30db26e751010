package irc

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// scram logs in by SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding:
// the server never sees the password, and proves that it knows it, too. It is
// a girc.SASLMech for one connection.
type scram struct {
	user, password string
	nonce          string // ours

	first  string // client-first-message-bare
	expect []byte // ServerSignature
	step   int
	fail   func(why string)
}

// maxIterations bounds the work that a server can make us do; RFC 7677 begins
// at 4096.
const maxIterations = 1_000_000

func newSCRAM(user, password string, fail func(string)) *scram {
	return &scram{user: user, password: password, nonce: rand.Text(), fail: fail}
}

// Method is the mechanism's name.
func (m *scram) Method() string { return "SCRAM-SHA-256" }

// Encode answers what the server says; girc calls it for each AUTHENTICATE. An
// empty answer ends the connection.
func (m *scram) Encode(params []string) string {
	in := ""
	if len(params) > 0 && params[0] != "+" {
		data, err := base64.StdEncoding.DecodeString(params[0])
		if err != nil {
			return m.refuse("the server's words are no base64")
		}
		in = string(data)
	}
	m.step++
	switch m.step {
	case 1:
		name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(saslPrepare(m.user))
		m.first = "n=" + name + ",r=" + m.nonce
		return base64.StdEncoding.EncodeToString([]byte("n,," + m.first))
	case 2:
		final, why := m.final(in)
		if why != "" {
			return m.refuse(why)
		}
		return base64.StdEncoding.EncodeToString([]byte(final))
	case 3:
		signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(in, "v="))
		if err != nil || !strings.HasPrefix(in, "v=") || !hmac.Equal(signature, m.expect) {
			return m.refuse("the server does not prove that it knows the password")
		}
		return "+"
	}
	return m.refuse("the server goes on asking")
}

func (m *scram) refuse(why string) string {
	m.step = 3 // nothing is right any more
	m.fail(why)
	return ""
}

// final makes the client-final-message; why says what is wrong with the
// server's first message (RFC 5802, 5.1 and 7).
func (m *scram) final(serverFirst string) (message, why string) {
	var nonce string
	var salt []byte
	iterations := 0
	for field := range strings.SplitSeq(serverFirst, ",") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "m":
			return "", "the server asks for an extension that nobody knows"
		case "r":
			nonce = value
		case "s":
			salt, _ = base64.StdEncoding.DecodeString(value)
		case "i":
			iterations, _ = strconv.Atoi(value)
		}
	}
	if !strings.HasPrefix(nonce, m.nonce) || len(nonce) == len(m.nonce) || len(salt) == 0 || iterations < 1 || iterations > maxIterations {
		return "", "the server's challenge is not right"
	}
	salted, err := pbkdf2.Key(sha256.New, saslPrepare(m.password), salt, iterations, sha256.Size)
	if err != nil {
		return "", err.Error()
	}
	bare := "c=biws,r=" + nonce // "biws" is "n,,"
	auth := m.first + "," + serverFirst + "," + bare
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	proof := mac(stored[:], auth)
	for i := range proof {
		proof[i] ^= key[i]
	}
	m.expect = mac(mac(salted, "Server Key"), auth)
	return bare + ",p=" + base64.StdEncoding.EncodeToString(proof), ""
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, bytes.Clone(key))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// saslPrepare makes user names and passwords comparable (SASLprep, RFC 4013):
// spaces become one kind, what is invisible goes, forms are unified.
func saslPrepare(s string) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r != ' ' && unicode.Is(unicode.Zs, r):
			return ' '
		case r == '\u00ad', r == '\u034f', r == '\u1806', r >= '\u180b' && r <= '\u180d', r >= '\u200b' && r <= '\u200d',
			r == '\u2060', r >= '\ufe00' && r <= '\ufe0f', r == '\ufeff': // RFC 3454, B.1
			return -1
		}
		return r
	}, s)
	return norm.NFKC.String(mapped)
}
