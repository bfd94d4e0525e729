package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// runMain makes the test binary the program itself, which is thus tested as a process of its
// own without being built a second time, and with the race detector where the tests have it.
const runMain = "WORKER_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}
