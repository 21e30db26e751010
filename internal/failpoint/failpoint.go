//go:build !failpoint

// Package failpoint names the places where tests kill the program. In ordinary
// builds Hit is empty; with the build tag "failpoint" the environment variable
// PERMANENCE_FAILPOINT="name:count" makes the count-th Hit of that name end
// the process at once, as kill -9 would.
package failpoint

// Hit marks a place.
func Hit(name string) {}

// On tells whether the program was built to be killed at these places.
func On(name string) bool { return false }
