package httpdrain_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// scenarioVariable names the program that this test binary is to be, for what only a process
// of its own can show.
const scenarioVariable = "LASTCALL_TEST_SCENARIO"

var scenarios = make(map[string]func())

func TestMain(m *testing.M) {
	if play := scenarios[os.Getenv(scenarioVariable)]; play != nil {
		play()
		return
	}
	goleak.VerifyTestMain(m)
}
