package sdnotify

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A notifier makes messages of a Coordinator's events. They come one after the other.
type notifier struct {
	next func(shutdown.Event)
	end  time.Time // of the grace period
	dog  *pulse    // from the start of the drain
}

func (n *notifier) observe(e shutdown.Event) {
	if n.next != nil {
		defer n.next(e) // also if it panics, systemd is told
	}
	switch e := e.(type) {
	case shutdown.Quiesced:
		send(status("not ready: a stop was announced"))
	case shutdown.Resumed:
		send(status("ready again"))
	case shutdown.StopRequested:
		n.stopRequested(e)
	case shutdown.DelayEnded:
		n.dog = startPulse(n.end)
		send(daemon.SdNotifyStopping, status("stopping"), extend(0))
	case shutdown.Waiting:
		send(waiting(e)...)
	case shutdown.Forced:
		send(status("forced: each step gets only what it was promised"))
	case shutdown.Drained:
		n.dog.stop()
		send(ended(e.Report), extend(0))
	}
}

func (n *notifier) stopRequested(e shutdown.StopRequested) {
	n.end = e.Began.Add(e.Grace)
	if delay := time.Until(e.Began.Add(e.Delay)); delay > 0 {
		send(status("still serving for %s%s", seconds(delay), why(e.Cause)), extend(delay))
	}
}
