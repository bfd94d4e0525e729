package shutdowntest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// scenarioVariable names the scenario that this test binary is to play.
const scenarioVariable = "LASTCALL_TEST_SCENARIO"

// scenarios are programs that it can be.
var scenarios = make(map[string]func())

func TestMain(m *testing.M) {
	if play := scenarios[os.Getenv(scenarioVariable)]; play != nil {
		play()
		return
	}
	goleak.VerifyTestMain(m)
}

// A recorder is the least that a test is, and says what would have failed.
type recorder struct {
	failures []string
	cleanups []func()
}

var _ shutdowntest.TB = (*recorder)(nil)

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// end is the end of the test.
func (r *recorder) end() {
	for len(r.cleanups) > 0 {
		last := len(r.cleanups) - 1
		f := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		f()
	}
}

// want compares the failures: each has to contain the text that is expected of it.
func (r *recorder) want(t *testing.T, parts ...string) {
	t.Helper()
	if len(r.failures) != len(parts) {
		t.Fatalf("%d failures, want %d:\n%s", len(r.failures), len(parts), strings.Join(r.failures, "\n"))
	}
	for i, part := range parts {
		if !strings.Contains(r.failures[i], part) {
			t.Errorf("failure %d is\n%s\nwant one with\n%s", i, r.failures[i], part)
		}
	}
}

// A loud recorder has a log as well, and ends nothing.
type loud struct {
	recorder
	lines []string
}

func (l *loud) Logf(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}
