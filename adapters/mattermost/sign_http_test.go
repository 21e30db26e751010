package mattermost

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
	"permanence/bot/chat/chattest"
)

// TestSlips: only what one adapter sealed for one purpose opens, until then.
func TestSlips(t *testing.T) {
	ctx, now := context.Background(), time.Unix(1_800_000_000, 0)
	state := chattest.NewInbox()
	s := &signer{name: "tchat", state: state}
	if _, err := s.open(ctx, forButton, "e30.AAAA", now); !errors.Is(err, errForged) {
		t.Errorf("before there was a key: %v", err)
	}
	if key, err := state.Get(ctx, savedKey); err != nil || key != nil {
		t.Errorf("opening made a key: %v %v", key, err)
	}
	want := slip{Channel: "c", Thread: "t", Name: "claim", Value: "42"}
	sealed, err := s.seal(ctx, forButton, want, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.open(ctx, forButton, sealed, now)
	if err != nil || got.Channel != "c" || got.Thread != "t" || got.Name != "claim" || got.Value != "42" || got.Nonce == "" {
		t.Errorf("%+v, %v", got, err)
	}
	// After a restart, and on another machine with the same State.
	if _, err := (&signer{name: "tchat", state: state}).open(ctx, forButton, sealed, now); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	payload, sum, _ := strings.Cut(sealed, ".")
	for _, tt := range []struct {
		name    string
		signer  *signer
		purpose string
		text    string
		now     time.Time
		want    error
	}{
		{"expired", s, forButton, sealed, now.Add(time.Hour), errExpired},
		{"another purpose", s, forForm, sealed, now, errForged},
		{"another adapter", &signer{name: "autre", state: state}, forButton, sealed, now, errForged},
		{"another key", &signer{name: "tchat", state: state, key: make([]byte, 32)}, forButton, sealed, now, errForged},
		{"changed", s, forButton, "A" + sealed, now, errForged},
		{"cut", s, forButton, sealed[:len(sealed)-3], now, errForged},
		{"padded", s, forButton, sealed + "=", now, errForged},
		{"no sum", s, forButton, payload, now, errForged},
		{"empty sum", s, forButton, payload + ".", now, errForged},
		{"no payload", s, forButton, "." + sum, now, errForged},
		{"nothing", s, forButton, "", now, errForged},
	} {
		if _, err := tt.signer.open(ctx, tt.purpose, tt.text, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestTrigger reads what the server's own code makes.
func TestTrigger(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	user := model.NewId()
	id, made, appErr := model.GenerateTriggerId(user, key)
	if appErr != nil {
		t.Fatal(appErr)
	}
	got, err := parseTrigger(made)
	if err != nil || got.id != id || got.user != user || !got.by(&key.PublicKey) || time.Since(got.at) > time.Minute {
		t.Errorf("%+v, %v", got, err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if got.by(&other.PublicKey) {
		t.Error("signed by anybody")
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]string{"AsymmetricSigningPublicKey": base64.StdEncoding.EncodeToString(der)}
	if read := triggerKey(config); read == nil || !got.by(read) {
		t.Error("the key of the configuration does not do")
	}
	for _, bad := range []string{"", "AAAA", "%"} {
		if triggerKey(map[string]string{"AsymmetricSigningPublicKey": bad}) != nil {
			t.Errorf("a key of %q", bad)
		}
	}
}

func FuzzTrigger(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	_, made, appErr := model.GenerateTriggerId(model.NewId(), key)
	if appErr != nil {
		f.Fatal(appErr)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{made, "", base64.StdEncoding.EncodeToString([]byte("a:b:1:")), made[:20]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTrigger(text)
		if err == nil && (got.id == "" || got.user == "" || got.by(&other.PublicKey)) {
			t.Errorf("%q: %+v", text, got)
		}
	})
}

func FuzzSlip(f *testing.F) {
	ctx, now := context.Background(), time.Unix(1_800_000_000, 0)
	s := &signer{name: "tchat", state: chattest.NewInbox()}
	sealed, err := s.seal(ctx, forForm, slip{Channel: "c"}, now.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{sealed, "", ".", "e30." + strings.Repeat("A", 43)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.open(ctx, forForm, text, now); err == nil && text != sealed {
			t.Errorf("%q opens", text)
		}
	})
}

// TestRecent: a gesture is taken once, until long after its trigger expired.
func TestRecent(t *testing.T) {
	var r recent
	now := time.Unix(1_800_000_000, 0)
	if !r.take("a", now) || r.take("a", now.Add(2*triggerLife-1)) {
		t.Error("taken twice")
	}
	r.forget("a")
	if !r.take("a", now) {
		t.Error("forgotten, and not taken")
	}
	if !r.take("b", now.Add(3*triggerLife)) || r.take("a", now.Add(3*triggerLife)) {
		t.Error("taken twice after a turn")
	}
	for i := range 3 * maxRecent {
		r.take(fmt.Sprint(i), now)
	}
	if n := len(r.young) + len(r.old); n > 2*maxRecent {
		t.Errorf("%d are remembered", n)
	}
}

// TestForms: a form is taken once, and again after a mistake.
func TestForms(t *testing.T) {
	var f forms
	now := time.Unix(1_800_000_000, 0)
	f.again("unknown")
	for _, step := range []struct {
		again bool
		try   int
		ok    bool
	}{{false, 0, true}, {false, 0, false}, {true, 1, true}, {false, 0, false}, {true, 2, true}} {
		if step.again {
			f.again("n")
		}
		if try, ok := f.take("n", now); try != step.try || ok != step.ok {
			t.Errorf("%+v: %d %v", step, try, ok)
		}
	}
	for i := range maxForms + 10 {
		f.take(fmt.Sprint(i), now)
	}
	if len(f.used) > maxForms {
		t.Errorf("%d are remembered", len(f.used))
	}
	one, other := map[string]string{"a": "b c"}, map[string]string{"a b": "c"}
	if revision(0, one) == revision(0, other) || revision(0, one) == revision(1, one) || revision(0, one) != revision(0, map[string]string{"a": "b c"}) {
		t.Error("revisions do not tell forms apart")
	}
}

// TestDialogLimits: nothing is longer than the server takes.
func TestDialogLimits(t *testing.T) {
	long := strings.Repeat("é", 200)
	d := dialogOf(chat.Form{ID: "x", Title: long, Submit: "Envoyer", Fields: []chat.Field{
		{Name: "a", Label: long, Long: true}, {Name: "b", Label: "Court"},
		{Name: "c", Label: "Choix", Text: "1", Options: []chat.Option{{Value: "1", Label: "Un"}}},
	}}, "state")
	if err := d.IsValid(); err != nil || d.IntroductionText != long || !utf8.ValidString(d.Title) {
		t.Errorf("%v: %+v", err, d)
	}
}

// TestConfigCommands: names of commands.
func TestConfigCommands(t *testing.T) {
	base := Config{URL: "https://tchat.example.org", TokenFile: "t"}
	for _, tt := range []struct {
		commands map[string]string
		want     string // in the error
		n        int
	}{
		{nil, "", 3},
		{map[string]string{}, "", 0},
		{map[string]string{"ticket": "/Aide"}, "", 1},
		{map[string]string{"ticket": ""}, "expected a command's name", 0},
		{map[string]string{"ticket": "deux mots"}, "expected a command's name", 0},
		{map[string]string{"ticket": "x", "incident": "X"}, "two of our commands", 0},
	} {
		cfg := base
		cfg.Commands = tt.commands
		s, err := cfg.complete()
		switch {
		case tt.want == "" && (err != nil || len(s.commands) != tt.n):
			t.Errorf("%v: %v, %v", tt.commands, s.commands, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%v: %v", tt.commands, err)
		}
	}
}

// TestPrivate: addresses that the server does not call by itself.
func TestPrivate(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "localhost": true, "10.1.2.3": true, "fd00::1": true, "::1": true,
		"aide.example.org": false, "192.0.2.1": false, "": false} {
		if isPrivate(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	sum := sha256.Sum256([]byte("x"))
	if !sameSecret("x", "x") || sameSecret("", "") || sameSecret("x", string(sum[:])) {
		t.Error("secrets")
	}
}
