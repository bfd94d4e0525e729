// Package sdnotify tells systemd how a program is: that it serves, that it stops, what is
// waited for, and how long that may take. It is for units of Type=notify. Where
// NOTIFY_SOCKET is not set, as outside of systemd, everything here does nothing.
//
//	func main() {
//		sdnotify.Attach(shutdown.Default)
//		os.Exit(shutdown.Main(run))
//	}
//
//	func run(ctx context.Context) error {
//		l, err := net.Listen("tcp", ":8080")
//		...
//		if err := sdnotify.Ready(ctx); err != nil {
//			return err
//		}
//		return g.Run(ctx)
//	}
//
// What is said when, on the timeline that is drawn in package shutdown:
//
//	Ready        READY=1
//	t0           STATUS=                           still serving, for the Delay
//	t0 + Delay   STOPPING=1, STATUS=
//	each step    EXTEND_TIMEOUT_USEC=              how long it may take at most
//	1, 2, 5 s    STATUS=, EXTEND_TIMEOUT_USEC=     what is waited for, and for how long at most; and each 10 s
//	the end      STATUS=                           how it went
//
// STOPPING=1 comes when the drain begins and not when it is announced: where the program
// stops of its own accord, systemd counts TimeoutStopSec from it. A Quiesce, which may be
// undone, is only shown as the status.
//
// EXTEND_TIMEOUT_USEC moves the end of TimeoutStopSec as far as the steps that are waited
// for may take, and not further: when one is abandoned and the next one begins, it is moved
// again. A program that goes on is not killed for its grace period being longer than
// TimeoutStopSec, and one that does not go on at all is, in time.
//
// A unit needs little:
//
//	[Service]
//	Type=notify
//	ExecStart=/usr/local/bin/app
//	Environment=TERMINATION_GRACE_PERIOD_SECONDS=30
//	TimeoutStopSec=30
//	TimeoutStopFailureMode=abort
//	WatchdogSec=10
//
// The two times are one and the same: the Coordinator takes its grace period from the
// variable, and keeps 2 s back. With TimeoutStopFailureMode=abort a program that is late
// gets SIGABRT instead of SIGKILL, and a Go program then prints the stacks of all its
// goroutines, which are in the journal afterwards. WatchdogSec wants the task that Watchdog
// returns; the watchdog ends a program by SIGABRT as well.
package sdnotify

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Attach has systemd told of the stop of c. It is called before anything else is done with
// c, since it sets c.Observe; one that is there already is called as before. A nil c panics.
//
// What cannot be sent is dropped: a stop does not wait for whoever watches it. Ready tells
// whether systemd can be reached.
func Attach(c *shutdown.Coordinator) {
	if c == nil {
		panic("sdnotify: Attach was given a nil Coordinator, at " + site.Caller(2))
	}
	if !enabled() {
		return
	}
	n := &notifier{next: c.Observe}
	c.Observe = n.observe
}

// Ready tells systemd that the program has started and serves: systemctl start returns, and
// what is ordered after the unit is started. ctx is that of main or of a task. Once that has
// ended, the program stops, and Ready only returns its cause, which main may return. Until
// then it waits for systemd to take the message in. It is an error if NOTIFY_SOCKET is set and
// cannot be written to, and if WATCHDOG_USEC is not understood.
func Ready(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := watchdogInterval(); err != nil {
		return err
	}
	err := write(ctx, daemon.SdNotifyReady, status("ready"))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("sdnotify: %w", err)
}
