package kube_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childVariable is the environment variable that makes this test binary run one of programs.
const childVariable = "LASTCALL_KUBE_CHILD"

// programs are the programs that this test binary can run instead of the tests. It is empty on
// systems without Unix signals.
var programs = map[string]func(){}

func TestMain(m *testing.M) {
	if play := programs[os.Getenv(childVariable)]; play != nil {
		play()
	}
	goleak.VerifyTestMain(m)
}
