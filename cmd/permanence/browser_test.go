package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"permanence/internal/testservers"
)

// TestBrowser does the main job on the page of `permanence demo`, as people do
// it, on a desktop and on a phone: a mail becomes a card, the team drafts in
// its thread and sends, and the answer is read in the mailbox. The program is
// killed while the answer is held, and started again on the same data.
//
// PERMANENCE_SCREENSHOTS names a folder for pictures of the main steps.
func TestBrowser(t *testing.T) {
	chromium := testservers.Chromium(t)
	binary := filepath.Join(t.TempDir(), "permanence")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, s := range []struct {
		name          string
		width, height int
		phone         bool
	}{
		{"desktop", 1280, 800, false},
		{"phone", 360, 740, true},
	} {
		t.Run(s.name, func(t *testing.T) {
			web, smtp := freePorts(t)
			d := &demo{t: t, binary: binary, data: t.TempDir(), web: web, smtp: smtp}
			p := &screen{t: t, name: s.name, phone: s.phone, ctx: openChromium(t, chromium, s.width, s.height)}
			p.do(chromedp.EmulateViewport(int64(s.width), int64(s.height)))
			d.start(p.ctx)
			mainJob(t, d, p)
		})
	}
}

func mainJob(t *testing.T, d *demo, p *screen) {
	const (
		subject = "Sauvegarde du site"
		draft   = "Bonjour Alice, oui : chaque nuit, et nous gardons trente jours."
		thanks  = "Merci, me voilà tranquille."
	)
	p.do(chromedp.Navigate("http://"+d.web), chromedp.WaitVisible(`#live[data-state="open"]`))
	p.shoot("0-first-sight")

	// Alice writes.
	p.tab("mail")
	p.do(
		chromedp.Click("#mail-new"),
		chromedp.SendKeys("#mail-subject", subject),
		chromedp.SendKeys("#mail-text", "Bonjour, faites-vous une sauvegarde de notre site ?"),
	)
	p.shoot("1-writing")
	p.do(chromedp.Click("#mail-send"), chromedp.WaitNotVisible("#mail-form"))

	// The team sees the card, opens its thread, and drafts.
	p.tab("team")
	card := p.find(`#team-messages .message.card`, subject)
	p.shoot("2-card")
	p.do(
		chromedp.Click(card+" .open-thread"),
		chromedp.WaitVisible("#team-thread-messages .message"),
		chromedp.SendKeys("#team-thread-composer textarea", draft+"\r"),
	)
	mine := p.find(`#team-thread-messages .message[data-by="camille"]`, draft)

	// The gesture: held, with where and to whom it goes.
	p.do(
		chromedp.Click(mine+` .react[data-emoji="✉"]`),
		chromedp.WaitVisible(mine+` .reactions [data-emoji="⏳"]`),
	)
	p.find(`#team-thread-messages .message[data-by="permanence"]`, "⏳ → mail à")
	p.shoot("3-held")

	// Killed in the hold; the page waits for it and goes on by itself.
	d.kill()
	p.do(chromedp.WaitVisible(`#live[data-state="lost"]`))
	p.shoot("4-killed")
	d.start(p.ctx)
	p.do(chromedp.WaitVisible(`#live[data-state="open"]`))
	if got := d.received(draft); got != 0 {
		t.Errorf("the answer had left before its hold was over")
	}
	p.do(
		chromedp.WaitVisible(mine+` .reactions [data-emoji="📬"]`),
		chromedp.WaitNotPresent(mine+` .reactions [data-emoji="⏳"]`),
	)
	p.shoot("5-sent")

	// Alice reads it, and answers.
	p.tab("mail")
	mail := p.find(`#mails .mail:not(.written)`, "Re: "+subject)
	p.do(chromedp.Click(mail+" .open"), chromedp.WaitVisible(mail+" .mail-text"))
	if text := p.text(mail + " .mail-text"); !strings.Contains(text, draft) {
		t.Errorf("Alice reads %q", text)
	}
	p.shoot("6-read")
	p.do(
		chromedp.Click(mail+" .answer"),
		chromedp.SendKeys("#mail-text", thanks),
		chromedp.Click("#mail-send"),
		chromedp.WaitNotVisible("#mail-form"),
	)

	// Her answer stands in the thread, which is still open.
	p.tab("team")
	p.find(`#team-thread-messages .message[data-by="permanence"]`, thanks)
	p.shoot("7-thread")
	if got := d.received(draft); got != 1 {
		t.Errorf("Alice received the answer %d times", got)
	}
	for _, tab := range []string{"mail", "public", "team", "status"} {
		p.tab(tab)
		if wide := p.number("document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			t.Errorf("%s is %v pixels wider than the screen", tab, wide)
		}
	}
}

// demo is the program, as a process.
type demo struct {
	t                  *testing.T
	binary, data       string
	web, smtp          string
	process            *exec.Cmd
	stdout, complaints lockedBuffer
}

// freePorts are two addresses that nobody listens on: the program must find
// the same ones after it was killed.
func freePorts(t *testing.T) (web, smtp string) {
	t.Helper()
	var addresses []string
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // after both are chosen
		addresses = append(addresses, ln.Addr().String())
	}
	return addresses[0], addresses[1]
}

// start returns when the page answers.
func (d *demo) start(ctx context.Context) {
	d.t.Helper()
	d.process = exec.Command(d.binary, "demo", "--data", d.data, "--smtp", d.smtp, "--web", d.web)
	d.process.Env = append(os.Environ(), "LC_ALL=fr_FR.UTF-8")
	d.process.Stdout, d.process.Stderr = &d.stdout, &d.complaints
	if err := d.process.Start(); err != nil {
		d.t.Fatal(err)
	}
	started := d.process
	d.t.Cleanup(func() {
		started.Process.Kill() // an error means that it has ended
		started.Wait()
		if d.t.Failed() {
			d.t.Logf("the program's log:\n%s", d.complaints.String())
		}
	})
	poll(d.t, ctx, "the page of the demo", func() bool {
		c, err := net.Dial("tcp", d.web)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (d *demo) kill() {
	d.t.Helper()
	if err := d.process.Process.Kill(); err != nil {
		d.t.Fatal(err)
	}
	d.process.Wait() // killed: its error is what we asked for
}

// received counts the mails in the mailboxes that hold a text.
func (d *demo) received(text string) (n int) {
	d.t.Helper()
	_, body := get(d.t, d.t.Context(), "http://"+d.web+"/api/state")
	var state struct {
		Mails []struct {
			Written bool
			Text    string
		}
	}
	if err := json.Unmarshal([]byte(body), &state); err != nil {
		d.t.Fatal(err)
	}
	for _, m := range state.Mails {
		if !m.Written && strings.Contains(m.Text, text) {
			n++
		}
	}
	return n
}

// patience is how long a person would look before calling it broken: longer
// than the hold, the lost connection and a busy machine together.
const patience = 45 * time.Second

// screen is a browser with the page, wide or narrow.
type screen struct {
	t     *testing.T
	name  string
	phone bool
	ctx   context.Context
}

func (p *screen) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%v (screen: %s)", err, p.shoot("failure"))
	}
}

// tab goes to a part of the page; a wide screen shows all of them.
func (p *screen) tab(name string) {
	p.t.Helper()
	if p.phone {
		p.do(chromedp.Click(`.tabs button[data-tab="` + name + `"]`))
	}
	p.do(chromedp.WaitVisible("#panel-" + name))
}

// find waits for an element with a text in it and gives a selector that goes
// on meaning it when it is drawn anew.
func (p *screen) find(selector, text string) string {
	p.t.Helper()
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			p.t.Fatal(err)
		}
		return string(b)
	}
	script := `[...document.querySelectorAll(` + quote(selector) + `)].find((e) => e.textContent.replaceAll("\u00a0", " ").includes(` + quote(text) + `))?.dataset.id || ""`
	list, _, _ := strings.Cut(selector, " ")
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		id, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
		if err != nil {
			p.t.Fatal(err)
		}
		if id != "" {
			return list + ` [data-id="` + id + `"]`
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("%s with %q did not come (screen: %s)", selector, text, p.shoot("failure"))
		}
	}
}

func (p *screen) text(selector string) string {
	p.t.Helper()
	got, err := chromedp.Run(p.ctx, chromedp.Text(selector))
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

func (p *screen) number(script string) float64 {
	p.t.Helper()
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[float64](script))
	if err != nil {
		p.t.Fatal(err)
	}
	return got
}

// shoot keeps a picture for people and tells where.
func (p *screen) shoot(step string) string {
	p.t.Helper()
	dir := os.Getenv("PERMANENCE_SCREENSHOTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Errorf("screen %s: %v", step, err)
		return ""
	}
	path := filepath.Join(dir, p.name+"-"+step+".png")
	if err := os.WriteFile(path, png, 0o600); err != nil {
		p.t.Errorf("screen %s: %v", step, err)
	}
	return path
}

// openChromium opens a browser whose console must stay silent.
func openChromium(t *testing.T, path string, width, height int) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(width, height), chromedp.Flag("accept-lang", "fr"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	messages := chromedp.Console(ctx)
	read := make(chan []string)
	go func() {
		var complaints []string
		for m, err := range messages {
			if err != nil {
				break
			}
			// While the program is dead its address refuses connections.
			if !strings.Contains(m.Text, "net::ERR_") {
				complaints = append(complaints, m.Text+" "+m.URL)
			}
		}
		read <- complaints
	}()
	t.Cleanup(func() {
		cancel()
		for _, c := range <-read {
			t.Errorf("the page's console: %s", c)
		}
	})
	return ctx
}
