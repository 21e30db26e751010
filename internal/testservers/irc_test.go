package testservers

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// greets wants a server to welcome a client.
func greets(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "NICK alice\r\nUSER alice 0 * :Alice\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.Contains(lines.Text(), " 001 alice ") {
			return
		}
	}
	t.Fatal("never welcomed")
}

func TestErgo(t *testing.T) {
	e := Ergo(t, ErgoOptions{})
	e.Register(t, "camille", "motdepasse")
	greets(t, e.Addr)
	e.Stop()
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	greets(t, e.Addr)
	if err := e.register("camille", "autre"); err == nil {
		t.Error("the account is gone after a restart")
	}
}

func TestNgIRCd(t *testing.T) {
	n := NgIRCd(t)
	greets(t, n.Addr)
	n.Stop()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	greets(t, n.Addr)
}
