package chat_test

import (
	"testing"

	"permanence/bot/chat"
)

func TestMatchAccount(t *testing.T) {
	for _, tt := range []struct {
		pattern, account string
		want             bool
	}{
		{"@*:example.org", "@alice:example.org", true},
		{"@*:example.org", "@alice:example.org.evil.example", false},
		{"@*:example.org", "@a/b:example.org", true},
		{"@alice:example.org", "@alice:example.org", true},
		{"@alice:example.org", "@alicea:example.org", false},
		{"*", "anybody", true},
		{"[", "[", false},
		{"", "", true},
	} {
		if got := chat.MatchAccount(tt.pattern, tt.account); got != tt.want {
			t.Errorf("MatchAccount(%q, %q) = %v", tt.pattern, tt.account, got)
		}
	}
	for _, bad := range []string{"", "["} {
		if chat.CheckPattern(bad) == nil {
			t.Errorf("CheckPattern(%q) finds nothing", bad)
		}
	}
	if err := chat.CheckPattern("@*:example.org"); err != nil {
		t.Error(err)
	}
}
