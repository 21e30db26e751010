package testservers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// NioPeer is somebody on Matrix at a client made with matrix-nio, which shares
// no code with ours: nio/peer.py, driven by lines of JSON.
type NioPeer struct {
	// UserID and Device are those of the login.
	UserID, Device string

	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	err   lockedBuffer
	ended chan struct{}

	mu      sync.Mutex
	last    int
	answers map[int]chan nioAnswer
	events  []NioEvent
	changed chan struct{} // closed and made anew by each event
	broken  string
}

// NioEvent is what happened in a room.
type NioEvent struct {
	Room   string `json:"room"`
	ID     string `json:"id"`
	Sender string `json:"sender"`
	// Kind is a message's msgtype (m.text, m.notice, m.file, …), "edit",
	// "unreadable" for what cannot be decrypted (it comes again when its keys
	// do), or the event's type (m.reaction, m.room.redaction, m.room.member).
	Kind string `json:"kind"`
	// Body is the text, the emoji of a reaction, the membership.
	Body   string `json:"body"`
	Thread string `json:"thread"` // root, empty outside of threads
	// Target is the message edited, redacted or reacted to; the member.
	Target string `json:"target"`
	// Sealed: it came encrypted.
	Sealed bool `json:"sealed"`
	// File is for Download; empty where there is none.
	File json.RawMessage `json:"file"`
}

// nioCommand is a line to the peer. The fields are the arguments of what it
// does.
type nioCommand struct {
	ID int    `json:"id"`
	Do string `json:"do"`

	Server    string          `json:"server,omitempty"`
	User      string          `json:"user,omitempty"`
	Password  string          `json:"password,omitempty"`
	Room      string          `json:"room,omitempty"`
	Thread    string          `json:"thread,omitempty"`
	Text      string          `json:"text,omitempty"`
	Target    string          `json:"target,omitempty"`
	Key       string          `json:"key,omitempty"`
	Name      string          `json:"name,omitempty"`
	Data      []byte          `json:"data,omitempty"`
	File      json.RawMessage `json:"file,omitempty"`
	Invite    []string        `json:"invite,omitempty"`
	Encrypted *bool           `json:"encrypted,omitempty"`
	Public    *bool           `json:"public,omitempty"`
	Direct    *bool           `json:"direct,omitempty"`
}

type nioAnswer struct {
	ID    int             `json:"id"`
	Done  json.RawMessage `json:"done"`
	Error string          `json:"error"`
	// Event and Broken come by themselves.
	Event  *NioEvent `json:"event"`
	Broken string    `json:"broken"`
}

// FindNio gives a Python that has matrix-nio and what it needs for encryption;
// the error says what to install.
func FindNio(ctx context.Context) (string, error) {
	var errs []error
	// The distribution's Python first: its packages are not in another one.
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		out, err := exec.CommandContext(ctx, name, "-c", "import nio.store, nio.crypto; assert nio.crypto.ENCRYPTION_ENABLED").CombinedOutput()
		if err == nil {
			return name, nil
		}
		lines := bytes.Split(bytes.TrimSpace(out), []byte("\n")) // the last one says it
		errs = append(errs, fmt.Errorf("%s: %w %s", name, err, lines[len(lines)-1]))
	}
	return "", fmt.Errorf("install it (Debian: apt-get install python3-matrix-nio): %w", errors.Join(errs...))
}

// Nio logs somebody in with the password, as a new device with an empty store.
func Nio(t testing.TB, server *DendriteServer, account MatrixAccount) *NioPeer {
	t.Helper()
	python, err := FindNio(t.Context())
	if err != nil {
		Need(t, "matrix-nio", err.Error())
	}
	source, err := sourceDir()
	if err != nil {
		t.Fatal(err)
	}
	p := &NioPeer{t: t, ended: make(chan struct{}), answers: make(map[int]chan nioAnswer), changed: make(chan struct{})}
	p.cmd = exec.Command(python, filepath.Join(source, "nio", "peer.py"), t.TempDir())
	p.cmd.Stderr = &p.err
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	go p.listen(out)
	var who struct{ User, Device string }
	p.do(nioCommand{Do: "login", Server: server.URL, User: account.UserID, Password: account.Password}, &who)
	p.UserID, p.Device = who.User, who.Device
	return p
}

// Close ends the peer; its device stays.
func (p *NioPeer) Close() {
	p.in.Close() // the end of its input is its end
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
	if p.t.Failed() {
		p.t.Logf("%s at nio:\n%s\n%s", p.UserID, p.lately(), p.err.String())
	}
}

func (p *NioPeer) listen(out io.Reader) {
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 32<<20)
	for sc.Scan() {
		var a nioAnswer
		p.mu.Lock()
		if err := json.Unmarshal(sc.Bytes(), &a); err != nil {
			p.broken = fmt.Sprintf("%v: %s", err, sc.Bytes())
		}
		switch {
		case a.Event != nil:
			p.events = append(p.events, *a.Event)
		case a.Broken != "":
			p.broken = a.Broken
		case p.answers[a.ID] != nil:
			p.answers[a.ID] <- a
			delete(p.answers, a.ID)
		}
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
	p.cmd.Wait() // how it ended is on its standard error
	close(p.ended)
}

// nioPatience is how long anything may take on a busy machine.
const nioPatience = 60 * time.Second

// start hands a command over without waiting.
func (p *NioPeer) start(c nioCommand) chan nioAnswer {
	answer := make(chan nioAnswer, 1)
	p.mu.Lock()
	p.last++
	c.ID = p.last
	p.answers[c.ID] = answer
	p.mu.Unlock()
	line, err := json.Marshal(c)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	if err != nil {
		answer <- nioAnswer{Error: err.Error()}
	}
	return answer
}

func (p *NioPeer) finish(what string, answer chan nioAnswer, out any) {
	p.t.Helper()
	select {
	case a := <-answer:
		if a.Error != "" {
			p.t.Fatalf("%s at nio: %s: %s", p.UserID, what, a.Error)
		}
		if out != nil {
			if err := json.Unmarshal(a.Done, out); err != nil {
				p.t.Fatalf("%s at nio: %s: %v: %s", p.UserID, what, err, a.Done)
			}
		}
	case <-p.ended:
		p.t.Fatalf("%s at nio: %s: it has ended\n%s", p.UserID, what, p.err.String())
	case <-time.After(nioPatience):
		p.t.Fatalf("%s at nio: %s: no answer\n%s", p.UserID, what, p.err.String())
	}
}

func (p *NioPeer) do(c nioCommand, out any) {
	p.t.Helper()
	p.finish(c.Do, p.start(c), out)
}

// NioRoom is a room to be made.
type NioRoom struct {
	Invite                    []string
	Encrypted, Public, Direct bool
}

// Create makes a room and gives its ID.
func (p *NioPeer) Create(r NioRoom) (room string) {
	p.t.Helper()
	if r.Invite == nil {
		r.Invite = []string{}
	}
	c := nioCommand{Do: "create", Invite: r.Invite, Encrypted: &r.Encrypted, Public: &r.Public, Direct: &r.Direct}
	p.do(c, &room)
	return room
}

// Join enters a room.
func (p *NioPeer) Join(room string) {
	p.t.Helper()
	p.do(nioCommand{Do: "join", Room: room}, nil)
}

// Say says a text, in a thread where its root is given.
func (p *NioPeer) Say(room, thread, text string) (id string) {
	p.t.Helper()
	p.do(nioCommand{Do: "say", Room: room, Thread: thread, Text: text}, &id)
	return id
}

// SayAll says texts one behind the other, as fast as they are taken.
func (p *NioPeer) SayAll(room, thread string, texts []string) {
	p.t.Helper()
	var answers []chan nioAnswer
	for _, text := range texts {
		answers = append(answers, p.start(nioCommand{Do: "say", Room: room, Thread: thread, Text: text}))
	}
	for i, a := range answers {
		p.finish(texts[i], a, nil)
	}
}

// Edit gives a message another text.
func (p *NioPeer) Edit(room, target, text string) {
	p.t.Helper()
	p.do(nioCommand{Do: "edit", Room: room, Target: target, Text: text}, nil)
}

// Redact takes a message back.
func (p *NioPeer) Redact(room, target string) {
	p.t.Helper()
	p.do(nioCommand{Do: "redact", Room: room, Target: target}, nil)
}

// React puts an emoji on a message.
func (p *NioPeer) React(room, target, key string) {
	p.t.Helper()
	p.do(nioCommand{Do: "react", Room: room, Target: target, Key: key}, nil)
}

// Upload says a file, encrypted where the room is.
func (p *NioPeer) Upload(room, thread, name string, data []byte) (id string) {
	p.t.Helper()
	p.do(nioCommand{Do: "upload", Room: room, Thread: thread, Name: name, Data: data}, &id)
	return id
}

// Download gives the content of an event's file.
func (p *NioPeer) Download(e NioEvent) (data []byte) {
	p.t.Helper()
	p.do(nioCommand{Do: "download", File: e.File}, &data)
	return data
}

// Logout removes the device from the account, with its keys.
func (p *NioPeer) Logout() {
	p.t.Helper()
	p.do(nioCommand{Do: "logout"}, nil)
}

// Events gives what was told so far.
func (p *NioPeer) Events() []NioEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// Await waits for an event, which may have come already.
func (p *NioPeer) Await(what string, wanted func(NioEvent) bool) NioEvent {
	p.t.Helper()
	late := time.After(nioPatience)
	for seen := 0; ; {
		p.mu.Lock()
		fresh, changed, broken := p.events[seen:], p.changed, p.broken
		p.mu.Unlock()
		if i := slices.IndexFunc(fresh, wanted); i >= 0 {
			return fresh[i]
		}
		seen += len(fresh)
		if broken != "" {
			p.t.Fatalf("%s at nio: %s\n%s", p.UserID, broken, p.err.String())
		}
		select {
		case <-changed:
		case <-p.ended:
			p.t.Fatalf("%s at nio waited for %s: it has ended\n%s", p.UserID, what, p.err.String())
		case <-late:
			p.t.Fatalf("%s at nio waited in vain for %s", p.UserID, what)
		}
	}
}

// lately are the last events, for messages.
func (p *NioPeer) lately() string {
	events := p.Events()
	var b strings.Builder
	for _, e := range events[max(len(events)-30, 0):] {
		fmt.Fprintf(&b, "%s %s %s thread=%s target=%s sealed=%t %.200q\n", e.ID, e.Sender, e.Kind, e.Thread, e.Target, e.Sealed, e.Body)
	}
	return b.String()
}

// lockedBuffer is written by a process and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
