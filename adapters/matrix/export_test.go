package matrix

import "time"

// Hasty makes an adapter try again soon.
func Hasty(a *Adapter) *Adapter {
	a.retry, a.retryMax = 20*time.Millisecond, 200*time.Millisecond
	return a
}
