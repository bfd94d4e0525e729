package sdnotify

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A notifier sends messages for the events of a Coordinator, which come one after the other.
type notifier struct {
	c        *shutdown.Coordinator
	next     func(shutdown.Event)
	ready    bool      // READY=1 was sent
	end      time.Time // the end of the grace period
	draining bool
	watchdog *keepAlive // during the drain
	until    time.Time  // until when systemd waits, by the messages of stepBegan
}

func (n *notifier) observe(e shutdown.Event) {
	if n.next != nil {
		defer n.next(e) // deferred, so that a panic in it does not prevent the message
	}
	switch e := e.(type) {
	case shutdown.Warmed, shutdown.StepEnded: // a task that ends without Started may have been the last to start
		n.sendReady()
	case shutdown.Quiesced:
		send(status("not ready: a stop was announced"))
	case shutdown.Resumed:
		send(status("ready again"))
		n.sendReady()
	case shutdown.StopRequested:
		n.stopRequested(e)
	case shutdown.DelayEnded:
		n.draining, n.watchdog = true, startKeepAlive(n.end)
		send(daemon.SdNotifyStopping, status("stopping"), extend(0))
	case shutdown.StepBegan:
		n.stepBegan(e)
	case shutdown.Waiting:
		send(waiting(e)...)
	case shutdown.Forced:
		send(status("second signal: each step gets only its minimum"))
	case shutdown.Drained:
		n.watchdog.stop()
		send(ended(e.Report), extend(0))
	}
}

// sendReady tells systemd that the program has started, if Coordinator.Warmup is set. Without it only
// the program knows when it serves, and calls Ready.
func (n *notifier) sendReady() {
	if n.c.Warmup > 0 && !n.ready && n.c.Ready() {
		n.ready = true
		send(daemon.SdNotifyReady, status("ready"))
	}
}

func (n *notifier) stopRequested(e shutdown.StopRequested) {
	n.end = e.Began.Add(e.Grace)
	if delay := time.Until(e.Began.Add(e.Delay)); delay > 0 {
		send(status("still serving for %s%s", seconds(delay), why(e.Cause)), extend(delay))
	}
}

// stepBegan extends the timeout to the end of the step. Steps may begin in quick succession, each
// with an end a little later than the one before. So it sends a message only if less than half of
// the slack is left.
func (n *notifier) stepBegan(e shutdown.StepBegan) {
	end := time.Now().Add(e.Budget)
	if !n.draining || n.until.After(end.Add(slack/2)) {
		return
	}
	n.until = end.Add(slack)
	send(extend(e.Budget))
}
