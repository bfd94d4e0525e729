package sdnotify

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A notifier makes messages of a Coordinator's events. They come one after the other.
type notifier struct {
	next     func(shutdown.Event)
	end      time.Time // of the grace period
	draining bool
	dog      *pulse    // while it drains
	said     time.Time // until when systemd waits, as far as steps have asked for it
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
		n.draining, n.dog = true, startPulse(n.end)
		send(daemon.SdNotifyStopping, status("stopping"), extend(0))
	case shutdown.StepBegan:
		n.stepBegan(e)
	case shutdown.Waiting:
		send(waiting(e)...)
	case shutdown.Forced:
		send(status("second signal: each step gets only its minimum"))
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

// stepBegan has systemd wait for the step, if it would not. The steps of a drain begin in quick
// succession, each with an end a little after that of the one before: systemd is told when what
// it knows leaves less than half of the slack.
func (n *notifier) stepBegan(e shutdown.StepBegan) {
	end := time.Now().Add(e.Budget)
	if !n.draining || n.said.After(end.Add(slack/2)) {
		return
	}
	n.said = end.Add(slack)
	send(extend(e.Budget))
}
