package main_test

import (
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The log has what docs/operating.md shows of it. The search for goroutines that are left behind has
// 250 ms, in which a busy machine may not finish it. So one of three runs has to find them.
func TestStuck(t *testing.T) {
	const leaks = `"message":"goroutines left behind"`
	program := shutdowntest.Build(t, ".")
	exit := shutdowntest.Exec(t, exec.Command(program)).Wait()
	for runs := 1; runs < 3 && !strings.Contains(exit.Output, leaks); runs++ {
		exit = shutdowntest.Exec(t, exec.Command(program)).Wait()
	}
	if exit.Code != 1 {
		t.Errorf("exit status %d, want 1", exit.Code)
	}
	for text, least := range map[string]int{
		`"message":"stopping"`: 1,
		// At 1, 2 and 5 s; on a machine that stands still for a second, two of them are one.
		`"message":"waiting for a step"`:     2,
		leaks:                                1,
		`"message":"stopped with failures"`:  1,
		`"step":"metrics","outcome":"late"`:  1,
		`"step":"upload","outcome":"failed"`: 1,
		`"step":"cache","outcome":"abandoned","waits_for":"sync.(*Mutex).Lock < main.(*cache).flush (stuck/main.go:`: 1,
	} {
		if n := strings.Count(exit.Output, text); n < least {
			t.Errorf("%d lines with %s, want %d at least, in:\n%s", n, text, least, exit.Output)
		}
	}
}
