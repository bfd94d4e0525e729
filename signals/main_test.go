package signals_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// A test of real signals runs this binary again as one of the programs, and sends signals only
// to that child.
const childEnv = "LASTCALL_SIGNALS_CHILD"

// With the race detector each child would wait for a second at its exit.
const noSleep = "GORACE=atexit_sleep_ms=0"

var programs = map[string]func(){}

func TestMain(m *testing.M) {
	if program := programs[os.Getenv(childEnv)]; program != nil {
		program()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
