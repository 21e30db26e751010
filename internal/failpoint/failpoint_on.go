//go:build failpoint

// Package failpoint names the places where tests kill the program. In ordinary
// builds Hit is empty; with the build tag "failpoint" the environment variable
// PERMANENCE_FAILPOINT="name:count" makes the count-th Hit of that name end
// the process at once, as kill -9 would.
package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var hits atomic.Int64

// Hit marks a place.
func Hit(name string) {
	want, count, _ := strings.Cut(os.Getenv("PERMANENCE_FAILPOINT"), ":")
	if want != name {
		return
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		n = 1
	}
	if hits.Add(1) == n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// On tells whether a defect was switched on, to see the tests find it:
// PERMANENCE_SABOTAGE lists names separated by commas.
func On(name string) bool {
	for _, n := range strings.Split(os.Getenv("PERMANENCE_SABOTAGE"), ",") {
		if n == name {
			return true
		}
	}
	return false
}
