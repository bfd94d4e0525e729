package sdnotify_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childVariable says which of the programs this test binary is.
const childVariable = "LASTCALL_SDNOTIFY_CHILD"

// programs are what this test binary can be instead. Real signals are for unix only.
var programs = map[string]func(){}

func TestMain(m *testing.M) {
	if play := programs[os.Getenv(childVariable)]; play != nil {
		play()
	}
	goleak.VerifyTestMain(m)
}
