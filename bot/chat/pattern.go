package chat

import (
	"path"
	"strings"
)

// MatchAccount tells whether an account's ID or handle is one that a pattern
// of the configuration names: "*" stands for any run of characters, "?" for
// one, "[a-c]" for one of several.
func MatchAccount(pattern, account string) bool {
	ok, err := path.Match(flat(pattern), flat(account))
	return ok && err == nil
}

// CheckPattern tells whether a pattern can be used.
func CheckPattern(pattern string) error {
	if pattern == "" {
		return path.ErrBadPattern
	}
	_, err := path.Match(flat(pattern), "@a:example.org")
	return err
}

// flat hides slashes, which are nothing special in an account.
func flat(s string) string { return strings.ReplaceAll(s, "/", "|") }
