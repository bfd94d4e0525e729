package shutdown_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Windows tells a console program by an event that it has to end. GenerateConsoleCtrlEvent sends only
// two of the events, and only where there is a console. So a child raises the event in itself, as
// Windows does it: on a new thread that calls CtrlRoutine of kernel32.dll.

// eventVariable has the number of the event that the child raises.
const eventVariable = "LASTCALL_TEST_EVENT"

const (
	ctrlC        = syscall.CTRL_C_EVENT
	ctrlBreak    = syscall.CTRL_BREAK_EVENT
	ctrlClose    = syscall.CTRL_CLOSE_EVENT
	ctrlLogoff   = syscall.CTRL_LOGOFF_EVENT
	ctrlShutdown = syscall.CTRL_SHUTDOWN_EVENT
)

// closeGrace is the longest suitable grace period of a console program: Windows ends it 5 s after
// its console was closed.
const closeGrace = 4 * time.Second

func raise(event uintptr) {
	kernel := syscall.NewLazyDLL("kernel32.dll")
	thread, _, err := kernel.NewProc("CreateThread").Call(0, 0, kernel.NewProc("CtrlRoutine").Addr(), event, 0, 0)
	if thread == 0 {
		panic(err)
	}
	_ = syscall.CloseHandle(syscall.Handle(thread))
}

// raiseEvent raises the event that the parent has named.
func raiseEvent() {
	event, err := strconv.ParseUint(os.Getenv(eventVariable), 10, 32)
	if err != nil {
		panic(err)
	}
	raise(uintptr(event))
}

// untilEvent is a main that raises the event, and returns when it is told to stop.
func untilEvent(ctx context.Context) error {
	raiseEvent()
	return untilStopped(ctx)
}

func init() {
	scenario("an event", func() {
		c := telling(closeGrace)
		c.Register(says("last"))
		endMain(c, untilEvent)
	})
	scenario("an event, with Reraise", func() {
		c := telling(closeGrace)
		c.Reraise = true
		c.Register(says("last"))
		endMain(c, untilEvent)
	})
	scenario("an event, with a stuck handler", func() {
		c := telling(closeGrace)
		c.Register(says("last"))
		c.Register(func(context.Context) error { select {} })
		endMain(c, untilEvent)
	})
	scenario("events", func() {
		c := telling(exitGrace)
		endMain(c, func(context.Context) error {
			for n := range 3 {
				say("event %d", n)
				raiseEvent()
				time.Sleep(apart)
			}
			select {}
		})
	})
}

func withEvent(event uint32) change { return with(fmt.Sprintf("%s=%d", eventVariable, event)) }

// The process exits with 128 + n: it cannot end by a signal.
func TestProcessEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		event uint32
		cause string
		code  int // with Reraise
	}{
		{"Ctrl-C", ctrlC, "received signal interrupt", 130},
		{"Ctrl-Break", ctrlBreak, "received signal interrupt", 130},
		{"the console is closed", ctrlClose, "received signal terminated", 143},
		{"logoff", ctrlLogoff, "received signal terminated", 143},
		{"shutdown", ctrlShutdown, "received signal terminated", 143},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for scenario, code := range map[string]int{"an event": 0, "an event, with Reraise": tt.code} {
				p := start(t, scenario, withEvent(tt.event))
				p.exits(code)
				p.said("last")
				if got := p.report().Cause; got != tt.cause {
					t.Errorf("%s: Cause = %q, want %q", scenario, got, tt.cause)
				}
			}
		})
	}
}

// With a grace period of 4 s, a program whose console was closed ends before Windows ends it, even if a
// handler is stuck.
func TestProcessIsOverBeforeAClosedConsoleEndsIt(t *testing.T) {
	t.Parallel()
	p := start(t, "an event, with a stuck handler", withEvent(ctrlClose))
	p.exits(1)
	p.said("last")
	p.within(closeGrace)
}

// The third Ctrl-Break ends a process that is stuck.
func TestProcessThirdEventExitsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, "events", withEvent(ctrlBreak))
	p.exits(130)
	p.said("event 0", "event 1", "event 2")
	p.logs("still running", `"exit_code":130`)
}
