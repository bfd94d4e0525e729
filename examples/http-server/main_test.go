package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// With the variable runMain set, the test binary is the program itself. So the
// program is tested as a process without a second build, and with the race
// detector if the tests use it.
const runMain = "HTTP_SERVER_TEST_RUN_MAIN"

// helpers are other programs that the test binary can be, by the variable that has their argument.
var helpers = map[string]func(string){}

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	for name, f := range helpers {
		if value := os.Getenv(name); value != "" {
			f(value)
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}
