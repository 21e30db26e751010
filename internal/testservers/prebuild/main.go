// Command prebuild builds the servers that the tests talk to into the cache
// and looks for those that the distribution provides, so that a test run does
// not pay for it. It ends with status 1 where something is missing.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"

	"permanence/internal/testservers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok := true
	report := func(name, path string, err error) {
		if err != nil {
			ok = false
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			return
		}
		fmt.Printf("%s: %s\n", name, path)
	}
	for _, name := range slices.Sorted(maps.Keys(testservers.GoServers())) {
		path, err := testservers.Build(ctx, name)
		report(name, path, err)
	}
	path, err := testservers.FindPostgres()
	report("postgresql", path, err)
	path, err = testservers.FindChromium()
	report("chromium", path, err)
	path, err = testservers.FindNgIRCd()
	report("ngircd", path, err)
	path, err = testservers.FindNio(ctx)
	report("matrix-nio for", path, err)
	if !ok {
		os.Exit(1)
	}
}
