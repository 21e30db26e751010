package web

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"permanence/internal/testservers"
)

// BenchmarkAgainstNginx gives the answers a second for what was rendered
// before, beside nginx with the same bytes as a file, by turns in one run, on
// one connection and on 64. One round measures everything: run it with
// -benchtime 1x.
func BenchmarkAgainstNginx(b *testing.B) {
	for _, tool := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(tool); err != nil {
			testservers.Need(b, tool, "install it (Debian: apt-get install nginx-light wrk)")
		}
	}
	f := weekFixture(b, week())
	ours := gatheredServer(f.site)
	defer ours.Close()
	dir := b.TempDir()
	paths := map[string]string{"/": "/page.html", "/api/v2/summary.json": "/summary.json"}
	for path, file := range paths {
		if err := os.WriteFile(filepath.Join(dir, file), f.get(path).Body.Bytes(), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	theirs := startNginx(b, dir)
	for path, file := range paths {
		for _, connections := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", file[1:], connections), func(b *testing.B) {
				for b.Loop() {
					// Whatever else the machine does falls on neighbours alike:
					// each short round is compared with the one beside it.
					var nginx, we, ratio []float64
					for range rounds {
						n, w := wrk(b, theirs+file, connections), wrk(b, ours.URL+path, connections)
						nginx, we, ratio = append(nginx, n), append(we, w), append(ratio, w/n)
					}
					for unit, list := range map[string][]float64{"answers/s": we, "nginx-answers/s": nginx, "ratio": ratio} {
						slices.Sort(list)
						b.ReportMetric(list[rounds/2], unit)
					}
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

const rounds = 9

func startNginx(t testing.TB, dir string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	config := fmt.Sprintf(`daemon off; worker_processes auto; pid %[1]s/nginx.pid; error_log stderr;
events { worker_connections 256; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p;
	fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; types { text/html html; application/json json; }
	server { listen %[2]s; root %[1]s; } }`, dir, address)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // its workers are somebody else
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-c", path, "-p", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		cmd.Wait() // interrupted: its error is what we asked for
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		res, err := http.Get("http://" + address + "/page.html")
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("nginx answers %s", res.Status)
			}
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// wrk gives the answers a second.
func wrk(t testing.TB, url string, connections int) float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d1s", "-H", "Accept: text/html", url).CombinedOutput()
	if err != nil {
		t.Fatalf("wrk: %v %s", err, out)
	}
	m := regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`).FindSubmatch(out)
	if m == nil || regexp.MustCompile(`Non-2xx`).Match(out) {
		t.Fatalf("wrk: %s", out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
