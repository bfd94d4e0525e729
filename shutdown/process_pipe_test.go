//go:build unix

package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A pipe that nobody reads takes 64 KiB, and then blocks writers. A process has such a standard
// error if its log collector hangs.

// pipeGrace is the grace period of the children that write to such a pipe.
const pipeGrace = 2 * time.Second

// pipeCases are programs whose standard error is full. Each has a handler, called last, that says
// so on standard output.
var pipeCases = []struct {
	name string
	play func(c *shutdown.Coordinator)
	code int
	self bool // it stops by itself
}{
	{"all is well", func(c *shutdown.Coordinator) { endMain(c, untilStopped) }, 0, false},
	{
		"there is very much to log", func(c *shutdown.Coordinator) {
			for range 20000 {
				c.Register(func(context.Context) error { return errTest })
			}
			endMain(c, untilStopped)
		}, 1, false,
	},
	{
		"a handler is stuck", func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { stuckOnMutex(); return nil })
			endMain(c, untilStopped)
		}, 1, false,
	},
	{
		"main is stuck", func(c *shutdown.Coordinator) {
			endMain(c, func(context.Context) error { say("running"); stuckOnMutex(); return nil })
		}, 1, false,
	},
	{
		"a handler writes to it", func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error {
				fmt.Fprintln(os.Stderr, "stuck")
				return nil
			})
			endMain(c, untilStopped)
		}, 1, false,
	},
	{
		"main writes to it and calls Exit", func(c *shutdown.Coordinator) {
			endMain(c, func(context.Context) error {
				say("running")
				go fmt.Fprintln(os.Stderr, "stuck")
				c.Exit(5)
				return nil
			})
		}, 5, true,
	},
	{
		"there is no Main, only Exit", func(c *shutdown.Coordinator) {
			say("running")
			shutdown.SetExit(c, func(code int) { exit(c, code) })
			c.Exit(6)
		}, 6, true,
	},
	{
		"Observe writes to it", func(c *shutdown.Coordinator) {
			c.Observe = func(e shutdown.Event) { fmt.Fprintln(os.Stderr, e) }
			endMain(c, untilStopped)
		}, 0, false,
	},
	{
		"the log is a slog.Logger", func(c *shutdown.Coordinator) {
			c.Slog = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
			endMain(c, untilStopped)
		}, 0, false,
	},
	{
		"it stops by itself, after an error", func(c *shutdown.Coordinator) {
			endMain(c, func(context.Context) error { say("running"); return errTest })
		}, 1, true,
	},
}

func init() {
	for _, tt := range pipeCases {
		scenario("standard error is full, "+tt.name, func() {
			c := &shutdown.Coordinator{Grace: pipeGrace}
			c.Register(says("last"), shutdown.Reserve(pipeGrace/2)) // a slow machine takes some of it
			tt.play(c)
		})
	}
}

func TestProcessStandardErrorIsFull(t *testing.T) {
	t.Parallel()
	for _, tt := range pipeCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "standard error is full, "+tt.name, intoFullPipe(t))
			p.expect("running")
			if !tt.self {
				p.signal(syscall.SIGTERM)
			}
			p.exits(tt.code)
			p.within(pipeGrace)
			p.said("last")
		})
	}
}

// intoFullPipe gives the child a full pipe as its standard error.
func intoFullPipe(t *testing.T) change {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	fill(t, w)
	return func(p *child) { p.cmd.Stderr = w }
}

// fill writes to w until there is no room for a single byte.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	for _, size := range []int{1 << 20, 1} {
		for n := 1; n > 0; { // more than once where the machine is slow
			if err := w.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			var err error
			if n, err = w.Write(make([]byte, size)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("filling a pipe: %v", err)
			}
		}
	}
}

// The runtime prints a crash, and blocks if the pipe is full. The process must end within its grace
// period all the same, and still react to signals.
func TestProcessPanicsIntoAFullPipe(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"a panic into a full pipe", "a panic into a full pipe, Exit deferred"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			p := start(t, scenario, intoFullPipe(t))
			p.expect("last")
			if !p.endsWithin(pipeGrace + slack) {
				t.Errorf("it has not ended by itself %v after its grace period", slack)
				p.signal(syscall.SIGTERM)
			}
			if !p.endsWithin(slack) {
				t.Error("it cannot be ended by SIGTERM either")
			}
		})
	}
}

// endsWithin reports whether the child ends within this time.
func (p *child) endsWithin(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

func init() {
	scenario("a panic into a full pipe", func() {
		c := &shutdown.Coordinator{Grace: pipeGrace}
		c.Register(says("last"))
		panics("boom")(c)
	})
	scenario("a panic into a full pipe, Exit deferred", func() {
		c := &shutdown.Coordinator{Grace: pipeGrace}
		c.Register(says("last"))
		defer c.Exit(3)
		explode("boom")
	})
}

// If nobody has the pipe open for reading, the crash is lost, but the exit status is not.
func TestProcessPanicsIntoAClosedPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p := start(t, "a panic into a full pipe", func(p *child) { r.Close(); p.cmd.Stderr = w })
	p.exits(2)
	p.said("last")
}

// The third signal does not wait long for its lines to be written.
func TestProcessThirdSignalWithAFullPipe(t *testing.T) {
	t.Parallel()
	p := start(t, "a stuck handler of many", intoFullPipe(t))
	p.expect("running")
	p.insist(syscall.SIGTERM)
	p.exits(128 + int(syscall.SIGTERM))
	if took := p.took(); took > 3*apart+slack {
		t.Errorf("it took %v", took)
	}
}

// A user's writer, slog handler or Observe must not delay the drain, or keep signals from ending
// the process.
var oddLogs = []struct {
	name string
	set  func(c *shutdown.Coordinator)
}{
	{"a zerolog writer that blocks", func(c *shutdown.Coordinator) {
		l := zerologTo(odd(func() { select {} }))
		c.Logger = &l
	}},
	{"a zerolog writer that panics", func(c *shutdown.Coordinator) {
		l := zerologTo(odd(func() { panic("boom") }))
		c.Logger = &l
	}},
	{"a zerolog writer that asks for the report", func(c *shutdown.Coordinator) {
		l := zerologTo(odd(func() { _ = c.Report() }))
		c.Logger = &l
	}},
	{"a zerolog writer that waits for the end", func(c *shutdown.Coordinator) {
		l := zerologTo(odd(func() { _ = c.Shutdown(context.Background()) }))
		c.Logger = &l
	}},
	{"a slog handler that blocks", func(c *shutdown.Coordinator) {
		c.Slog = slog.New(&oddSlog{handle: func() { select {} }})
	}},
	{"a slog handler that blocks when asked for its level", func(c *shutdown.Coordinator) {
		c.Slog = slog.New(&oddSlog{enabled: func() { select {} }})
	}},
	{"a slog handler that looks at the Coordinator when asked for its level", func(c *shutdown.Coordinator) {
		c.Slog = slog.New(&oddSlog{enabled: func() { _ = c.Ready() }})
	}},
	{"Observe blocks", func(c *shutdown.Coordinator) { c.Observe = func(shutdown.Event) { select {} } }},
	{"Observe panics", func(c *shutdown.Coordinator) { c.Observe = func(shutdown.Event) { panic("boom") } }},
	{"Observe asks to stop and waits", func(c *shutdown.Coordinator) {
		c.Observe = func(shutdown.Event) { _ = c.Shutdown(context.Background()) }
	}},
}

// odd is a writer that calls a function at each write.
type odd func()

func (o odd) Write(b []byte) (int, error) {
	o()
	return len(b), nil
}

// oddSlog is a slog handler that calls these functions.
type oddSlog struct{ enabled, handle func() }

func (o *oddSlog) Enabled(context.Context, slog.Level) bool {
	if o.enabled != nil {
		o.enabled()
	}
	return true
}

func (o *oddSlog) Handle(context.Context, slog.Record) error {
	if o.handle != nil {
		o.handle()
	}
	return nil
}

func (o *oddSlog) WithAttrs([]slog.Attr) slog.Handler { return o }
func (o *oddSlog) WithGroup(string) slog.Handler      { return o }

func init() {
	for _, o := range oddLogs {
		scenario("odd log: "+o.name, func() {
			c := &shutdown.Coordinator{Grace: pipeGrace}
			c.Register(says("last"))
			o.set(c)
			endMain(c, untilStopped)
		})
	}
}

func TestProcessOddLog(t *testing.T) {
	t.Parallel()
	for _, o := range oddLogs {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "odd log: "+o.name)
			p.expect("running")
			p.signal(syscall.SIGTERM)
			p.mustEnd(pipeGrace)
			p.exits(0)
			p.said("last")
		})
	}
}

// mustEnd fails if the child does not end within the grace period from now on, and then kills it.
func (p *child) mustEnd(grace time.Duration) {
	p.t.Helper()
	if !p.endsWithin(grace + slack) {
		p.kill()
		<-p.done
		p.t.Fatalf("it has not ended %v after its grace period\n%s", slack, p)
	}
}

// The drain also goes on if standard output and standard error are closed from the start, or a full
// disk.
func TestProcessOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	file := filepath.Join(t.TempDir(), "saved")
	p := start(t, "a drain whose readers leave", with("LASTCALL_TEST_FILE="+file), func(p *child) {
		p.cmd.Stderr = full
	})
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.exits(1) // chatter has failed
	if b, err := os.ReadFile(file); string(b) != "saved" {
		t.Errorf("the last handler's file has %q, %v; want it saved", b, err)
	}
}

var _ io.Writer = odd(nil)
