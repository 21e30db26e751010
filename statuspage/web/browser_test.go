package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"permanence/internal/testservers"
)

// TestBrowser looks at the pages as people do: on a telephone and on a desk,
// in light and in dark, with and without JavaScript, with the keyboard alone.
//
// PERMANENCE_SCREENSHOTS names a folder for pictures of the pages.
func TestBrowser(t *testing.T) {
	chromium := testservers.Chromium(t)
	axe := axeScript(t)
	f := newFixture(t, week())
	f.site.components = weekComponents()
	many := newFixture(t, crowd())
	many.site.components, many.site.promised = weekComponents(), []string{"fr", "en"}
	quiet := newFixture(t, nil)
	quiet.site.components = weekComponents()
	for _, s := range []struct {
		name       string
		width      int
		dark       bool
		javascript bool
	}{
		{"360", 360, false, true},
		{"360-dark", 360, true, false},
		{"1280", 1280, false, false},
		{"1280-dark", 1280, true, true},
	} {
		t.Run(s.name, func(t *testing.T) {
			b := openBrowser(t, chromium, s.name, s.width, s.dark, s.javascript)
			for _, p := range []struct {
				name, path string
				fixture    *fixture
			}{
				{"overview", "/", f},
				{"overview-en", "/?lang=en", f},
				{"quiet", "/", quiet},
				{"incident", "/incidents/52", f},
				{"planned-incident", "/incidents/49", f},
				{"postmortem", "/incidents/47", f},
				{"planned", "/travaux", f},
				{"history", "/history/2026-10", f},
				{"component", "/components/web", f},
				{"follow", "/follow", f},
				{"embed", "/embed", f},
				{"crowd", "/", many},
				{"crowd-en", "/?lang=en", many},
				{"crowd-incident", "/incidents/60", many},
				{"crowd-incident-en", "/incidents/60?lang=en", many},
				{"crowd-hostile", "/incidents/59", many},
				{"crowd-history", "/history/2026-10", many},
				{"crowd-embed", "/embed", many},
				{"missing", "/nothing/here", f},
			} {
				b.open(b.serve(p.fixture.site) + p.path)
				b.shoot(p.name)
				if wide := run[float64](b, chromedp.Evaluate[float64]("document.documentElement.scrollWidth - innerWidth")); wide > 0 {
					t.Errorf("%s is %v pixels wider than the screen", p.name, wide)
				}
				if small := b.strings(smallTargets); len(small) > 0 {
					t.Errorf("%s: too small for a finger: %q", p.name, small)
				}
				b.check(p.name, axe)
			}
			b.keyboard(b.serve(f.site))
			b.paper(b.serve(f.site))
		})
	}
}

// smallTargets are links of menus that are less high than 24 pixels (WCAG
// 2.5.8; links within sentences are exempt).
const smallTargets = `[...document.querySelectorAll("nav a, .ways a, footer a")].filter((a) => a.getBoundingClientRect().height < 24).map((a) => a.textContent)`

// TestEmbedInBrowser puts the recap into another site's page, as a script with
// a strict policy and as a frame.
func TestEmbedInBrowser(t *testing.T) {
	chromium := testservers.Chromium(t)
	b := openBrowser(t, chromium, "embed", 800, false, true)
	status := map[string]string{}
	for _, name := range []string{"busy", "quiet"} {
		list := week()
		if name == "quiet" {
			list = nil
		}
		f := newFixture(t, list)
		status[name] = b.serveFor(f)
	}
	page := func(policy, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				w.WriteHeader(http.StatusNoContent) // the icon
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", policy)
			fmt.Fprintf(w, `<!DOCTYPE html><html lang="fr"><title>Une association</title><h1>Une association</h1>%s<p id="end">Fin.</p></html>`, body)
		}))
		t.Cleanup(server.Close)
		return server.URL + "/"
	}
	strict := func(url string) string {
		return "default-src 'none'; script-src " + url + "; connect-src " + url + "; frame-src " + url + "; img-src " + url
	}
	busy := status["busy"]
	b.open(page(strict(busy), `<script src="`+busy+`/embed.js" async data-lang="fr"></script>`))
	b.wait(`document.querySelector("aside.permanence-major a") !== null`)
	if text := run[string](b, chromedp.Evaluate[string](`document.querySelector("aside").innerText`)); !strings.Contains(text, "◆ Une partie des services est en panne") ||
		!strings.Contains(text, "sites injoignables · Correctif en place") || !strings.Contains(text, "Voir la page d’état") {
		t.Errorf("the box reads %q", text)
	}
	b.shoot("script")

	quiet := status["quiet"]
	b.open(page(strict(quiet), `<script src="`+quiet+`/embed.js" data-always data-lang="en"></script>`))
	b.wait(`document.querySelector("aside.permanence-ok") !== null`)
	b.open(page(strict(busy), `<p><img src="`+busy+`/badge.svg" alt="État des services"></p><iframe src="`+busy+`/embed" title="État des services" width="640" height="260"></iframe>`))
	b.wait(`document.querySelector("img").naturalWidth > 100`)
	b.shoot("frame")
}

// browser is Chromium of one width, whose console must stay silent.
type browser struct {
	t          *testing.T
	ctx        context.Context
	name       string
	javascript bool
	servers    map[*Site]string
}

func openBrowser(t *testing.T, path, name string, width int, dark, javascript bool) *browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(width, 800), chromedp.Flag("accept-lang", "fr"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, name: name, javascript: javascript, servers: map[*Site]string{}}
	messages := chromedp.Console(ctx)
	read := make(chan []string)
	go func() {
		var complaints []string
		for m, err := range messages {
			if err != nil {
				break
			}
			if !strings.Contains(m.Text, "status of 404") { // which was asked for
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
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(int64(width), 800), command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}))
	return b
}

// command is an action of the protocol that answers nothing.
func command[P any](c cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// serve gives the address at which a site is read.
func (b *browser) serve(s *Site) string {
	b.t.Helper()
	if at, ok := b.servers[s]; ok {
		return at
	}
	server := httptest.NewServer(s)
	b.t.Cleanup(server.Close)
	b.servers[s] = server.URL
	return server.URL
}

// serveFor makes the address at which a site is read its public one.
func (b *browser) serveFor(f *fixture) string {
	b.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	o := f.site.options
	o.URL, o.Components = "http://"+ln.Addr().String(), weekComponents()
	site, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(site)
	server.Listener.Close()
	server.Listener = ln
	server.Start()
	b.t.Cleanup(server.Close)
	return o.URL
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 45*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 45*time.Second)
	defer cancel()
	got, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *browser) strings(script string) []string {
	b.t.Helper()
	return run[[]string](b, chromedp.Evaluate[[]string](script))
}

// open loads a page as its reader has it; the tests' own scripts run in it
// even where the page's may not.
func (b *browser) open(url string) {
	b.t.Helper()
	scripts := func(on bool) chromedp.Action[chromedp.Void] {
		return command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	}
	b.do(scripts(b.javascript), chromedp.Navigate(url), scripts(true))
}

// wait looks until a script says true.
func (b *browser) wait(script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !run[bool](b, chromedp.Evaluate[bool](script)) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.shoot("failure")
			b.t.Fatalf("%s did not become true", script)
		}
	}
}

// shoot keeps a picture for people.
func (b *browser) shoot(what string) {
	b.t.Helper()
	dir := os.Getenv("PERMANENCE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png := run[[]byte](b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, "status-"+what+"-"+b.name+".png"), png, 0o600); err != nil {
		b.t.Error(err)
	}
}

// check runs axe-core in the page: WCAG 2.2 AA, and what it calls good
// practice.
func (b *browser) check(what, axe string) {
	b.t.Helper()
	if axe == "" {
		return
	}
	script := axe + `;axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then((r) => JSON.stringify(r.violations.map((v) => v.id + ": " + v.help + " " + v.nodes.map((n) => n.html).join(" "))))`
	raw := run[string](b, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	var violations []string
	if err := json.Unmarshal([]byte(raw), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: axe: %s", what, v)
	}
}

// paper looks at the overview as it is printed: dark on white, in either
// scheme, without menus.
func (b *browser) paper(base string) {
	b.t.Helper()
	b.open(base + "/")
	b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}))
	got := b.strings(`[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, getComputedStyle(document.querySelector("nav")).display]`)
	if strings.Join(got, " ") != "rgb(255, 255, 255) rgb(0, 0, 0) none" {
		b.t.Errorf("printed: %q", got)
	}
	b.shoot("print")
}

// keyboard walks the overview with Tab alone: first comes the way past the
// menu, each stop can be seen, and none is a trap.
func (b *browser) keyboard(base string) {
	b.t.Helper()
	b.open(base + "/")
	const here = `(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
		return [e.className || e.textContent, s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 ? "seen" : "unseen",
			r.width > 0 && r.left >= 0 && r.top >= -1 && r.bottom <= innerHeight + 1 ? "on" : "off"] })()`
	links := run[float64](b, chromedp.Evaluate[float64](`document.querySelectorAll("a").length`))
	for n := range int(links) {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := b.strings(here)
		if n == 0 && at[0] != "skip" {
			b.t.Errorf("the first stop is %q", at)
		}
		if at[1] != "seen" || at[2] != "on" {
			b.t.Errorf("stop %d: %q", n+1, at)
		}
		if n == 0 {
			b.shoot("skip")
		}
	}
	b.open(base + "/")
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.wait(`document.activeElement.id === "main"`)
}
