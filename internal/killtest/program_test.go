package killtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"permanence/internal/killtest/checker"
)

// patience is how long people wait for what must come.
const patience = 30 * time.Second

// program is one process of the program under test.
type program struct {
	cmd    *exec.Cmd
	point  string        // where it is to be killed; empty: nowhere
	ready  chan struct{} // closed when smtp and web are known
	exited chan struct{} // closed when it has ended
	smtp   string        // where it takes mail
	web    string        // http://127.0.0.1:…
}

// keeper starts the program again whenever it was killed.
type keeper struct {
	t      *testing.T
	binary string
	dir    string // with c.yaml
	env    []string
	points []string // "name:count", one for each process to be killed
	ledger *ledger
	sink   *sink

	mu      sync.Mutex
	now     *program
	asked   bool // to end in order
	over    bool // do not start again
	kills   int
	err     error
	changed chan struct{} // closed and replaced at every change
	log     bytes.Buffer
	done    chan struct{}
}

// keep begins with a first process. Everything has ended when the test has.
func keep(t *testing.T, k *keeper) {
	k.t, k.changed, k.done = t, make(chan struct{}), make(chan struct{})
	go k.run()
	t.Cleanup(func() {
		k.mu.Lock()
		k.over = true
		if k.now != nil {
			_ = k.now.cmd.Process.Kill()
		}
		k.mu.Unlock()
		<-k.done
		if t.Failed() {
			log := k.log.Bytes()
			t.Logf("log of the program:\n%s", log[max(0, len(log)-12000):])
		}
	})
}

func (k *keeper) run() {
	defer close(k.done)
	for i := 0; ; i++ {
		point := ""
		if i < len(k.points) {
			point = k.points[i]
		}
		p, logged, err := k.start(point)
		if p != nil {
			<-logged
			err = p.cmd.Wait()
			err = errors.Join(err, k.sunk())
		}
		k.mu.Lock()
		if !k.asked {
			switch status, ok := p.status(); {
			case point != "" && ok && status.Signaled() && status.Signal() == syscall.SIGKILL:
				k.kills++
				// Before anybody can do anything with the next process.
				k.ledger.write(checker.Fact{Kind: checker.Kill, Point: point})
			case !k.over:
				k.err = fmt.Errorf("the program ended by itself: %v", err)
				k.over = true
			}
		} else if err != nil && !k.over {
			k.err = fmt.Errorf("the program did not end in order: %w", err)
			k.over = true
		}
		k.asked, k.now = false, nil
		over := k.over
		if p != nil {
			close(p.exited)
		}
		k.tell()
		k.mu.Unlock()
		if over {
			return
		}
	}
}

// sunk waits for what a dead process had still on its way.
func (k *keeper) sunk() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return k.sink.idle(ctx)
}

func (p *program) status() (syscall.WaitStatus, bool) {
	if p == nil || p.cmd.ProcessState == nil {
		return 0, false
	}
	s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return s, ok
}

// tell wakes those who wait; k.mu is held.
func (k *keeper) tell() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// start starts a process; logged is closed when its log has ended.
func (k *keeper) start(point string) (p *program, logged chan struct{}, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return nil, nil, nil
	}
	p = &program{point: point, ready: make(chan struct{}), exited: make(chan struct{})}
	p.cmd = exec.Command(k.binary, "serve", "--config", filepath.Join(k.dir, "c.yaml"), "--log-format", "json")
	p.cmd.Dir = k.dir
	p.cmd.Env = append(append(os.Environ(), k.env...), "PERMANENCE_FAILPOINT="+point)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, nil, err
	}
	k.now = p
	logged = make(chan struct{})
	go func() {
		defer close(logged)
		k.read(p, stderr)
	}()
	return p, logged, nil
}

// read takes the addresses from the log.
func (k *keeper) read(p *program, stderr io.Reader) {
	lines := bufio.NewReader(stderr)
	var smtp, web string
	for {
		line, err := lines.ReadBytes('\n')
		k.mu.Lock()
		k.log.Write(line)
		k.mu.Unlock()
		if err != nil {
			return
		}
		var said struct {
			Msg, Address string
			LMTP         bool
		}
		if json.Unmarshal(line, &said) != nil {
			continue
		}
		switch {
		case said.Msg == "listening for mail" && !said.LMTP:
			smtp = said.Address
		case said.Msg == "serving pages":
			web = "http://" + said.Address
		}
		if smtp != "" && web != "" && p.web == "" {
			k.mu.Lock()
			p.smtp, p.web = smtp, web
			close(p.ready)
			k.tell()
			k.mu.Unlock()
		}
	}
}

// current waits for a process that can be spoken to.
func (k *keeper) current(ctx context.Context) (*program, error) {
	for {
		k.mu.Lock()
		p, changed, err := k.now, k.changed, k.err
		k.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if p != nil {
			select {
			case <-p.ready:
				return p, nil
			default:
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the program: %w", ctx.Err())
		}
	}
}

// killed tells whether all kills have happened.
func (k *keeper) killed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kills >= len(k.points) || k.over
}

// end asks the running process to end in order and waits until it has; again
// says whether another one is to be started.
func (k *keeper) end(ctx context.Context, again bool) error {
	p, err := k.current(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.asked, k.over = true, !again
	err = p.cmd.Process.Signal(syscall.SIGTERM)
	k.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the program: %w", ctx.Err())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// rested waits until the program says that it is connected and that nothing
// waits in it.
func (k *keeper) rested(ctx context.Context) error {
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	last := "nothing was answered"
	for {
		p, err := k.current(ctx)
		if err != nil {
			return err
		}
		if ready, err := get(ctx, p.web+"/readyz"); err == nil && strings.Contains(ready, "chat: caught up") {
			last, err = get(ctx, p.web+"/metrics")
			if err == nil && strings.Contains(last, "permanence_events_waiting 0\n") && strings.Contains(last, "permanence_deliveries_open 0\n") {
				return nil
			}
		} else if err == nil {
			last = ready
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until nothing waits in the program: %w\n%s", ctx.Err(), last[:min(len(last), 600)])
		}
	}
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, res.Status, body)
	}
	return string(body), err
}
