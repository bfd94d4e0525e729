// Package sdnotify reports the state of a program to systemd: that it is ready, that it stops, what
// it waits for, and how long that may take. It is for units of Type=notify. If NOTIFY_SOCKET is not
// set, as outside of systemd, the functions of this package do nothing.
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
// These are the messages, on the timeline of package shutdown:
//
//	Ready        READY=1, STATUS=                               or when c.Ready turns true, see Attach
//	t0           STATUS=, EXTEND_TIMEOUT_USEC=                  still serving; the Delay and 3 s
//	t0 + Delay   STOPPING=1, STATUS=, EXTEND_TIMEOUT_USEC=      3 s
//	each step    EXTEND_TIMEOUT_USEC=                           the step's budget and 3 s
//	1, 2, 5 s    STATUS=, EXTEND_TIMEOUT_USEC=                  the step that is waited for; its remaining budget and 3 s
//	             then every 10 s
//	the end      STATUS=, EXTEND_TIMEOUT_USEC=                  the result; 3 s
//
// STOPPING=1 is sent at the end of the delay, not at its beginning: if the program stops without
// a request of systemd, TimeoutStopSec counts from this message. Quiesce, which may be undone, only
// changes the status.
//
// EXTEND_TIMEOUT_USEC extends TimeoutStopSec to the end of the delay or of the current step's
// budget, and 3 s more, in case a message is late. When the next step begins, it is extended
// again. So systemd does not kill a program that makes progress, even if its grace period is
// longer than TimeoutStopSec. It kills a program that makes no progress.
//
// An example of a unit:
//
//	[Service]
//	Type=notify
//	ExecStart=/usr/local/bin/app
//	Environment=TERMINATION_GRACE_PERIOD_SECONDS=30
//	TimeoutStopSec=30
//	TimeoutStopFailureMode=abort
//	WatchdogSec=10
//
// Set TERMINATION_GRACE_PERIOD_SECONDS to the value of TimeoutStopSec: the Coordinator subtracts 2 s
// from the variable to get its grace period. With TimeoutStopFailureMode=abort a program that
// exceeds TimeoutStopSec gets SIGABRT instead of SIGKILL. A Go program then prints the stacks of all
// goroutines to the journal.
// WatchdogSec needs the task that [Watchdog] returns. The watchdog ends a program by SIGABRT, too.
package sdnotify

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Attach reports the stop of c to systemd. If c.Warmup is set, it also reports that the program has
// started, when c.Ready turns true: do not call [Ready] then. TimeoutStartSec of the unit has to be
// longer than c.Warmup. Call Attach once, before any other use of c, because it sets
// c.Observe. A function that was set there before is still called. After a second Attach systemd
// would get each message twice.
//
// A message that cannot be sent within 100 ms is dropped, so that systemd does not delay the stop.
// [Ready] returns an error if systemd cannot be reached.
//
// Attach panics if c is nil.
func Attach(c *shutdown.Coordinator) {
	if c == nil {
		panic("sdnotify: Attach was given a nil Coordinator, at " + site.Caller(2))
	}
	if !enabled() {
		return
	}
	n := &notifier{c: c, next: c.Observe}
	c.Observe = n.observe
}

// Ready tells systemd that the program has started and serves. systemctl start then returns, and
// systemd starts the units that are ordered after this one. Do not call Ready if Coordinator.Warmup
// is set: [Attach] sends READY=1 then.
//
// ctx is the context of main or of a task. Ready waits until the socket accepts the message. If ctx
// ends first, because the program stops, Ready returns the cause of ctx, which main may return.
// Ready also returns an error if NOTIFY_SOCKET is set and cannot be written to, or if
// WATCHDOG_USEC is not valid.
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
