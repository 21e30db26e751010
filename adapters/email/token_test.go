package email

import (
	"bytes"
	"strings"
	"testing"
)

var (
	support = role{room: "support@example.org", local: "support", domain: "example.org"}
	billing = role{room: "billing@example.org", local: "billing", domain: "example.org"}
	maker   = tokens{secret: bytes.Repeat([]byte{7}, 32), domain: "example.org", sep: "+"}
)

func TestReplyAddress(t *testing.T) {
	thread := maker.newThread(support, "k1")
	addr, ok := maker.replyAddress(support, thread)
	if !ok || !isThread(thread) {
		t.Fatalf("reply address %q, thread %q", addr, thread)
	}
	if again := maker.newThread(support, "k1"); again != thread {
		t.Errorf("a retry got thread %q, the first attempt %q", again, thread)
	}
	if maker.newThread(support, "k2") == thread || maker.newThread(billing, "k1") == thread {
		t.Error("two threads have one name")
	}
	other := tokens{secret: bytes.Repeat([]byte{8}, 32), domain: "example.org", sep: "+"}
	local, domain, _ := strings.Cut(addr, "@")
	changed := []byte(local)
	changed[len(changed)-1] ^= 1
	for _, tt := range []struct {
		name string
		t    tokens
		r    role
		addr string
		want verdict
	}{
		{"as made", maker, support, addr, genuine},
		{"T16 upper case", maker, support, strings.ToUpper(addr), genuine},
		{"T18 one wrong character", maker, support, string(changed) + "@" + domain, refused},
		{"T18 of another role", maker, billing, addr, notOurs},
		{"T18 moved to another role", maker, billing, strings.Replace(addr, "support", "billing", 1), refused},
		{"another installation's secret", other, support, addr, refused},
		{"cut", maker, support, local[:len(local)-1] + "@" + domain, refused},
		{"no mac", maker, support, "support+t." + thread + "@example.org", refused},
		{"T19 a guess", maker, support, "support+t.42@example.org", refused},
		{"other subaddress", maker, support, "support+news@example.org", notOurs},
		{"the role itself", maker, support, "support@example.org", notOurs},
		{"other domain", maker, support, local + "@example.net", notOurs},
		{"subaddresses off", tokens{secret: maker.secret, domain: "example.org"}, support, addr, notOurs},
	} {
		got, v := tt.t.readReply(tt.r, tt.addr)
		if v != tt.want || (v == genuine) != (got == thread) {
			t.Errorf("%s: %q gives thread %q, verdict %d, want %d", tt.name, tt.addr, got, v, tt.want)
		}
	}
	long := role{local: strings.Repeat("x", 40), domain: "example.org"}
	if addr, ok := maker.replyAddress(long, thread); ok {
		t.Errorf("local part of %q is longer than RFC 5321 allows", addr)
	}
}

func TestOwnMessageID(t *testing.T) {
	thread := maker.newThread(support, "k1")
	for _, key := range []string{"d-1234", "0123456789abcdef0123456789abcdef", "With.Capitals", "b32-x", "é", strings.Repeat("x", 60)} {
		id, err := maker.messageID(support, thread, key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(id, " <>") || strings.Count(id, "@") != 1 || id != strings.ToLower(id) {
			t.Errorf("Message-ID %q", id)
		}
		again, _ := maker.messageID(support, thread, key)
		if again != id {
			t.Errorf("two attempts: %q, %q", id, again)
		}
		for _, received := range []string{id, strings.ToUpper(id)} {
			gotThread, gotKey, v := maker.readMessageID(support, received)
			if gotThread != thread || gotKey != key || v != genuine {
				t.Errorf("%q: thread %q, key %q, verdict %d", received, gotThread, gotKey, v)
			}
		}
		if _, _, v := maker.readMessageID(billing, id); v != refused {
			t.Errorf("another role takes %q as its own", id)
		}
	}
	id, _ := maker.messageID(support, thread, "k1")
	for in, want := range map[string]verdict{
		"":                                       notOurs,
		"ticket-42-reply-7@example.org":          notOurs, // T19
		"p.42.7.1@example.org":                   notOurs,
		strings.Replace(id, ".k1.", ".k2.", 1):   refused,
		strings.Replace(id, "p.", "p.a", 1):      notOurs,
		strings.Replace(id, "example", "old", 1): genuine, // the domain may change
		strings.Replace(strings.Replace(id, ".k1.", ".k2.", 1), "example", "elsewhere", 1): notOurs,
	} {
		if _, _, v := maker.readMessageID(support, in); v != want {
			t.Errorf("%q: verdict %d, want %d", in, v, want)
		}
	}
	for _, bad := range []string{"", "42", "$root", "AAAAAAAAAAAAAAAA", thread + "a"} {
		if id, err := maker.messageID(support, bad, "k1"); err == nil {
			t.Errorf("thread %q gives %q", bad, id)
		}
	}
}

func FuzzToken(f *testing.F) {
	thread := maker.newThread(support, "k1")
	addr, _ := maker.replyAddress(support, thread)
	id, _ := maker.messageID(support, thread, "k1")
	for _, s := range []string{addr, id, strings.ToUpper(addr), "support+t.@example.org", "p...@example.org", "@", "p.aaaaaaaaaaaaaaaa.b32-.aaaaaaaaaaaaaaaa@example.org", "\xff+t.İ@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if th, v := maker.readReply(support, s); v == genuine {
			if made, _ := maker.replyAddress(support, th); !strings.EqualFold(made, s) {
				t.Errorf("%q verifies as %q", s, made)
			}
		}
		if th, key, v := maker.readMessageID(support, s); v == genuine {
			made, err := maker.messageID(support, th, key)
			local, _, _ := strings.Cut(made, "@")
			if got, _, _ := strings.Cut(strings.ToLower(s), "@"); err != nil || got != local {
				t.Errorf("%q verifies as %q", s, made)
			}
		}
		if key, ok := decodeKey(s); ok && encodeKey(key) != s {
			t.Errorf("key %q is written %q", s, encodeKey(key))
		}
		if got, ok := decodeKey(encodeKey(s)); s != "" && (!ok || got != s) {
			t.Errorf("key %q comes back as %q", s, got)
		}
	})
}
