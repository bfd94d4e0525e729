package shutdowntest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// scenarioVariable is the environment variable that makes this test binary run a scenario.
const scenarioVariable = "LASTCALL_TEST_SCENARIO"

// scenarios are the programs that this test binary can run instead of the tests.
var scenarios = make(map[string]func())

func TestMain(m *testing.M) {
	if play := scenarios[os.Getenv(scenarioVariable)]; play != nil {
		play()
		return
	}
	goleak.VerifyTestMain(m)
}

// A recorder is a TB with the required methods only. It records the failures.
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

// end calls the cleanup functions, as at the end of a test.
func (r *recorder) end() {
	for len(r.cleanups) > 0 {
		last := len(r.cleanups) - 1
		f := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		f()
	}
}

// want checks that there is one failure for each part, and that it contains the part.
func (r *recorder) want(t *testing.T, parts ...string) {
	t.Helper()
	if len(r.failures) != len(parts) {
		t.Fatalf("%d failures, want %d:\n%s", len(r.failures), len(parts), strings.Join(r.failures, "\n"))
	}
	for i, part := range parts {
		if !strings.Contains(r.failures[i], part) {
			t.Errorf("failure %d is\n%s\nwant it to contain\n%s", i, r.failures[i], part)
		}
	}
}

// A loggingTest is a recorder with a log.
type loggingTest struct {
	recorder
	lines []string
}

func (l *loggingTest) Logf(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}
