//go:build goolm

package matrix_test

import (
	"path/filepath"
	"testing"
)

func BenchmarkRoadEncrypted(b *testing.B) {
	benchmarkRoad(b, true, withKeys(b), inboxAt(b, filepath.Join(b.TempDir(), "keys.db")), "on")
}
