package matrix

import (
	"strings"

	"permanence/bot/chat"
)

// Comparison is a verification of our device that waits for a person: who
// verifies us sees seven emoji at their client, and somebody at our machine has
// to say whether they are these
// (https://spec.matrix.org/v1.13/client-server-api/#short-authentication-string-sas-verification).
type Comparison struct {
	// ID names the verification for Answer.
	ID    string
	Emoji []Emoji
}

// Emoji is one of the seven, with what it is called.
type Emoji struct {
	Symbol string
	Name   chat.Text
}

// isVerification tells the events of verifications.
func isVerification(kind string) bool { return strings.HasPrefix(kind, "m.key.verification.") }
