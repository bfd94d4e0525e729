package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// With the variable runMain set, the test binary is the program itself. So the program is tested
// as a process without a second build, and with the race detector if the tests use it.
const runMain = "WORKER_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}
