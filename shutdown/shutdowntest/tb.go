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

// TB has the methods of a test that this package needs. *testing.T and *testing.B implement it. The
// package also uses Logf, FailNow and Deadline if t has them.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

var (
	_ TB = (*testing.T)(nil)
	_ TB = (*testing.B)(nil)
)

// grace is the grace period of New. It is long enough for a program without stuck steps on a busy
// machine, and short enough to wait for a stuck step.
const grace = 5 * time.Second

// New returns a Coordinator for a test. It has a grace period of 5 s, gets no signals from the
// operating system, and logs to t until the test ends, if t has Logf. Its fields may be changed.
//
// A third signal, or Exit, does not end the test's process. Exit does not return: it ends the
// calling goroutine. A test has to call it on a goroutine other than its own.
func New(t TB) *shutdown.Coordinator {
	c := &shutdown.Coordinator{Grace: grace, Slog: logger(t)}
	notify.Use(c, notify.Double{
		Listen:  func([]os.Signal) (<-chan os.Signal, func()) { return make(chan os.Signal), func() {} },
		HoldOff: func([]os.Signal) func() { return func() {} },
		Exit:    newExiter(c).exit,
	})
	return c
}

// logger returns a logger that writes to t.
func logger(t TB) *slog.Logger {
	began := time.Now()
	return slog.New(slog.NewTextHandler(writerTo(t), &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey { // show the time since the start, not the time of day
				return slog.String("at", "+"+a.Value.Time().Sub(began).Round(100*time.Microsecond).String())
			}
			return a
		},
	}))
}

// A testLog writes to the log of a test. It drops what is written after the test has ended, when
// Logf would panic.
type testLog struct {
	logf  func(string, ...any)
	mu    sync.Mutex
	ended bool
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
		w.ended = true
	})
	return w
}

func (w *testLog) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.logf("%s", strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}

// failNow reports an error, and ends the test if t has FailNow.
func failNow(t TB, format string, args ...any) {
	t.Helper()
	t.Errorf(format, args...)
	if f, ok := t.(interface{ FailNow() }); ok {
		f.FailNow()
	}
}
