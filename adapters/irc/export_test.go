package irc

import "time"

// Hasty makes an adapter try again soon.
func Hasty(a *Adapter) *Adapter {
	a.retry, a.retryMax, a.rejoin = 20*time.Millisecond, 200*time.Millisecond, 50*time.Millisecond
	return a
}

// Pace is how long the adapter waits between lines.
func Pace(a *Adapter) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(a.cfg.every, a.every)
}
