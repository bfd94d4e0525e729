package notify_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

const childEnv = "LASTCALL_NOTIFY_CHILD"

// With the race detector each child would wait for a second at its exit.
const noSleep = "GORACE=atexit_sleep_ms=0"

// programs are what a child of a test does.
var programs = map[string]func(){}

func TestMain(m *testing.M) {
	if program := programs[os.Getenv(childEnv)]; program != nil {
		program()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
