package web

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"permanence/internal/testservers"
)

// guideNginx is the server of the operator's guide, for another folder and
// address.
func guideNginx(t *testing.T, root, address string) string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/operator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(guide), "```nginx\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the guide has no server for nginx")
	}
	for old, new := range map[string]string{"listen 80;": "listen " + address + ";", "root /srv/etat;": "root " + root + ";"} {
		if strings.Count(block, old) != 1 {
			t.Fatalf("the guide's server has no %q", old)
		}
		block = strings.Replace(block, old, new, 1)
	}
	return block
}

// serveWithNginx serves a folder as the guide says, and gives the address.
func serveWithNginx(t *testing.T, root string) string {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		testservers.Need(t, "nginx", "install it (Debian: apt-get install nginx)")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	dir := t.TempDir()
	for _, d := range []string{root, filepath.Dir(root), dir, filepath.Dir(dir)} { // its workers are somebody else
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log stderr;
events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
default_type application/octet-stream;
%[2]s
}`, dir, guideNginx(t, root, address))
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-c", path, "-p", dir)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
		if t.Failed() {
			t.Logf("nginx: %s", output.String())
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(10 * time.Second); ; {
		if res, err := http.Get("http://" + address + "/"); err == nil {
			res.Body.Close()
			return "http://" + address
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("nginx ended: %v %s", err, output.String())
		case <-deadline:
			t.Fatal("nginx does not answer")
		}
	}
}

// answerOf is what a server answers, without following where it sends.
func answerOf(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// TestExportBehindNginx serves the exported files with the server of the
// operator's guide: every link of every page and document answers, with the
// type and, but for the form of links, the very bytes of the live site.
func TestExportBehindNginx(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etat")
	f := weekFixture(t, week())
	f.site.options.Components = weekComponents()
	if _, err := f.site.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	server := serveWithNginx(t, dir)

	const public = "https://travaux.example.org"
	link := regexp.MustCompile(`(?:href|src|url)(?:="|":")([^"#]+)|<(?:link|guid|id|uri)[^>]*>([^<]+)<|https://travaux\.example\.org[^\s"<>&\\;]*|content="0; url=([^"]+)`)
	types := map[string]string{".atom": "application/atom+xml", ".rss": "application/rss+xml", ".rdf": "application/rdf+xml", ".ics": "text/calendar",
		".js": "javascript", ".svg": "image/svg+xml", ".txt": "text/plain", ".json": "application/json", "": "text/html", ".html": "text/html"}
	seen, next := map[string]bool{}, []string{"/", "/embed.js", "/badge.svg", "/404.html"}
	for name := range files {
		if !strings.HasPrefix(name, ".") {
			next = append(next, "/"+strings.TrimSuffix(name, "index.html"))
		}
	}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		if seen[at] {
			continue
		}
		seen[at] = true
		res, body := answerOf(t, server+at)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", at, res.Status)
			continue
		}
		want := types[filepath.Ext(at)]
		if strings.HasSuffix(at, "/feed.json") {
			want = "application/feed+json"
		}
		if got := res.Header.Get("Content-Type"); !strings.Contains(got, want) || !strings.HasSuffix(got, "charset=utf-8") {
			t.Errorf("%s: Content-Type %q, want %s", at, got, want)
		}
		if res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: other sites may not read it", at)
		}
		if path, err := url.PathUnescape(strings.TrimPrefix(at, "/")); err != nil || !strings.HasSuffix(at, "/") && files[path] != body {
			t.Errorf("%s: these are not the bytes of the file (%v)", at, err)
		}
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			for _, target := range m {
				target = strings.ReplaceAll(target, "&amp;", "&")
				u, err := url.Parse(strings.TrimPrefix(target, public))
				if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || strings.Contains(target, ".php") || strings.HasPrefix(target, public+":") {
					continue
				}
				if u.RawQuery != "" {
					t.Errorf("%s links to %s, which no file answers", at, target)
				}
				next = append(next, u.EscapedPath())
			}
		}
	}
	if len(seen) < 150 {
		t.Errorf("only %d pages", len(seen))
	}

	// What programs read is what the live site says, but for the form of links.
	slash := regexp.MustCompile(`(travaux\.example\.org/(?:[a-z0-9-]+/)*(?:[a-z0-9-]+))/(["<\s#\\)]|$)`)
	home := regexp.MustCompile(`travaux\.example\.org/(["<\s])`)
	ids := regexp.MustCompile(`<id>[^<]*|<guid[^>]*>[^<]*|"id":\s*"[^"]*"|UID:\S*`)
	written := regexp.MustCompile(`Page écrite [^\n]*\n`)
	plain := func(s string) string {
		s = slash.ReplaceAllString(written.ReplaceAllString(s, ""), "$1$2")
		return home.ReplaceAllString(s, "travaux.example.org$1")
	}
	for name, body := range files {
		if !isFile("/"+name) || strings.HasPrefix(name, "en/") || strings.HasPrefix(name, "fr/") || strings.HasPrefix(name, "flyspray/") {
			continue
		}
		live := f.get("/" + name)
		if live.Code != http.StatusOK {
			t.Errorf("/%s: the live site answers %d", name, live.Code)
		}
		if plain(body) != plain(live.Body.String()) {
			t.Errorf("/%s differs from the live site:\n%s\n--- live\n%s", name, body, live.Body)
		}
		if got, want := ids.FindAllString(body, -1), ids.FindAllString(live.Body.String(), -1); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("/%s: its entries are others than those of the live site:\n%q\n%q", name, got, want)
		}
	}

	// Addresses of before lead to where the live site sends.
	for from, to := range map[string]string{
		"/52/": "/incidents/52/", "/task/52/": "/incidents/52/", "/travaux/50/": "/incidents/50/", "/incidents/k3mq7wzjv2xbna41/": "/incidents/52/", "/api/": "/follow/",
	} {
		if _, body := answerOf(t, server+from); !strings.Contains(body, `content="0; url=`+to+`"`) || !strings.Contains(body, `href="`+to+`"`) {
			t.Errorf("%s does not lead to %s:\n%s", from, to, body)
		}
		live := f.get(strings.TrimSuffix(from, "/"))
		if got := live.Header().Get("Location"); got != strings.TrimSuffix(to, "/") {
			t.Errorf("%s: the live site sends to %q", from, got)
		}
	}
	for from, to := range map[string]string{
		"/index.php?do=details&task_id=52": "/incidents/52/", "/index.php?task_id=x": "/", "/index.php": "/", "/52": "/52/", "/history": "/history/",
	} {
		if res, _ := answerOf(t, server+from); res.StatusCode != http.StatusMovedPermanently || res.Header.Get("Location") != to {
			t.Errorf("%s: %s to %q, want %s", from, res.Status, res.Header.Get("Location"), to)
		}
	}
	for query, want := range map[string]string{
		"": "application/atom+xml", "?feed_type=rss2&topic=clo&project=1": "application/rss+xml", "?feed_type=rss1&topic=edit": "application/rdf+xml", "?feed_type=../../x": "application/atom+xml",
	} {
		res, body := answerOf(t, server+"/feed.php"+query)
		live := f.get("/feed.php" + query)
		if !strings.Contains(res.Header.Get("Content-Type"), want) || plain(body) != plain(live.Body.String()) {
			t.Errorf("/feed.php%s: %s\n%s\n--- live\n%s", query, res.Header.Get("Content-Type"), body, live.Body)
		}
	}
	if res, _ := answerOf(t, server+"/"+manifest); res.StatusCode != http.StatusNotFound {
		t.Errorf("our list of files: %s", res.Status)
	}
	if res, body := answerOf(t, server+"/nowhere"); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "<!DOCTYPE html>") {
		t.Errorf("what is not there: %s", res.Status)
	}
}
