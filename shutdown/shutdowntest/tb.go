package shutdowntest

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/shutdown"
)

// TB is what is needed of a test. A *testing.T has it, and so has a *testing.B. Where there
// are Logf and FailNow too, they are used.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

var (
	_ TB = (*testing.T)(nil)
	_ TB = (*testing.B)(nil)
)

// grace is that of a Coordinator of New. It is enough for a program with nothing stuck on
// a machine that is busy, and not too long to wait for one that has.
const grace = 5 * time.Second

// New is a Coordinator for a test: it hears no signal of the operating system, has a grace
// period of 5 s, and logs to t, if that has Logf, but never after the test's end. A third
// signal, or Exit, does not end the test's process; but Exit returns nowhere, and ends the
// goroutine that calls it, so that a test calls it on one of its own. The fields may be
// changed.
func New(t TB) *shutdown.Coordinator {
	c := &shutdown.Coordinator{Grace: grace, Slog: logger(t)}
	notify.Use(c, notify.Double{
		Listen:  func([]os.Signal) (<-chan os.Signal, func()) { return make(chan os.Signal), func() {} },
		HoldOff: func([]os.Signal) func() { return func() {} },
		Exit:    newEnding(c).exit,
	})
	return c
}

// logger writes to t until it ends.
func logger(t TB) *slog.Logger {
	began := time.Now()
	return slog.New(slog.NewTextHandler(writerTo(t), &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey { // the hour of a test says little, in a bubble nothing
				return slog.String("at", "+"+a.Value.Time().Sub(began).Round(100*time.Microsecond).String())
			}
			return a
		},
	}))
}

// A testLog is a test's log, which must not be written to when the test has ended.
type testLog struct {
	logf func(string, ...any)
	mu   sync.Mutex
	over bool
}

func writerTo(t TB) io.Writer {
	l, ok := t.(interface{ Logf(string, ...any) })
	if !ok {
		return io.Discard
	}
	w := &testLog{logf: l.Logf}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.over = true
	})
	return w
}

func (w *testLog) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.logf("%s", strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}

// failNow ends the test if it can, for what leaves nothing to go on with.
func failNow(t TB, format string, args ...any) {
	t.Helper()
	t.Errorf(format, args...)
	if f, ok := t.(interface{ FailNow() }); ok {
		f.FailNow()
	}
}
