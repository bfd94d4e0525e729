package grpcdrain_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// scenarioVariable is the environment variable that makes this test binary run a scenario, for
// tests that need a process of their own.
const scenarioVariable = "LASTCALL_TEST_SCENARIO"

var scenarios = make(map[string]func())

func TestMain(m *testing.M) {
	if play := scenarios[os.Getenv(scenarioVariable)]; play != nil {
		play()
		return
	}
	goleak.VerifyTestMain(m)
}
