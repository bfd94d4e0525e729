// Package emulated is for tests that run under an emulator of another platform, such as wine.
// docs/platforms.md lists what an emulator cannot do.
package emulated

import (
	"os"
	"testing"
)

// Variable names the emulator under which the tests run: wine or qemu. .ci/run sets it. It is not
// set on a real system.
const Variable = "LASTCALL_EMULATOR"

// SkipUnder skips the test if it runs under the emulator.
func SkipUnder(t testing.TB, emulator, reason string) {
	t.Helper()
	if os.Getenv(Variable) == emulator {
		t.Skipf("not on this platform (%s): %s", emulator, reason)
	}
}

// TempDir is t.TempDir, except under wine. There Go cannot delete files: wine 8 answers the request
// for POSIX semantics with an error for which Go has no alternative. Such a folder is left in the
// wine prefix, which .ci/run deletes.
func TempDir(t testing.TB) string {
	t.Helper()
	if os.Getenv(Variable) != "wine" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("", "test")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
