package irc

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A server may ask those who come without TLS to come back with it, and to
// remember that (https://ircv3.net/specs/extensions/sts): the port is told in
// the open, how long it holds through TLS alone. girc could not follow, because
// the TLS is ours.

// stsKey is where the promise is kept, so that not even the first line after a
// restart goes in the open.
const stsKey = "sts"

// stsPolicy is what a server asked for.
type stsPolicy struct {
	Host  string `json:"host"`
	Port  string `json:"port"`
	Until int64  `json:"until"` // Unix seconds
}

// recallSTS finds out whether the server must be spoken to with TLS.
func (a *Adapter) recallSTS(ctx context.Context) error {
	if a.cfg.tls {
		return nil
	}
	data, err := a.state.Get(ctx, stsKey)
	if err != nil || len(data) == 0 {
		return err
	}
	var p stsPolicy
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read %s: %w", stsKey, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.secure == "" && p.Host == a.cfg.host && time.Now().Unix() < p.Until {
		a.secure = p.Port
	}
	return nil
}

// sts reads the capability's value.
func (s *session) sts(value string) {
	if s.cfg.tls {
		return
	}
	port, duration := "", int64(-1)
	for option := range strings.SplitSeq(value, ",") {
		name, value, _ := strings.Cut(option, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil || n < 0:
		case name == "port" && n > 0 && n < 65536:
			port = value
		case name == "duration":
			duration = n
		}
	}
	switch {
	case !s.secure && !s.registered && port != "":
		s.Adapter.mu.Lock()
		s.Adapter.secure = port
		s.Adapter.mu.Unlock()
		s.fail(errUpgrade)
	case s.secure && duration >= 0:
		_, port, err := net.SplitHostPort(s.wire.RemoteAddr().String())
		if s.Adapter.cfg.proxy != nil || err != nil {
			s.Adapter.mu.Lock()
			port = s.Adapter.secure
			s.Adapter.mu.Unlock()
		}
		s.after = append(s.after, func(ctx context.Context) { s.keepSTS(ctx, port, duration) })
	}
}

// keepSTS keeps the promise, or forgets it where its time is zero.
func (s *session) keepSTS(ctx context.Context, port string, seconds int64) {
	if seconds == 0 {
		if err := s.state.Delete(ctx, stsKey); err != nil {
			s.log.Warn("not forgotten", "key", stsKey, "err", err)
		}
		return
	}
	const longest = 10 * 365 * 24 * 3600
	data, err := json.Marshal(stsPolicy{s.cfg.host, port, time.Now().Unix() + min(seconds, longest)})
	if err == nil {
		err = s.state.Put(ctx, stsKey, data)
	}
	if err != nil {
		s.log.Warn("not kept", "key", stsKey, "err", err)
	}
}
