package grpcdrain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

const (
	// round is how long the drain waits for handshakes, and for the last status of a Watch: a
	// round trip around the world. It also is how often the step's status is set.
	round = 250 * time.Millisecond

	// afterFailure is how long the task waits for RPCs in flight after its listener has failed.
	// The program learns of the failure only when the task returns.
	afterFailure = 5 * time.Second

	// lastPart is the time from the end of the window of Spread to the end of the contexts of RPCs.
	// It is at most a quarter of the budget.
	lastPart = time.Second

	// unread is longer than grpc takes to close a connection without streams whose client does
	// not react to GOAWAY: 5 s for the answer to a ping, and 1 s for the client's close. A
	// connection that is still open then has a response that its client does not read.
	unread = 7 * time.Second
)

// drain stops the server. It is done when GracefulStop is, which waits for connections and
// handlers, and which nothing but this function waits for.
func (s *server) drain(l *listener, served <-chan error) error {
	work := group.WorkContext(s.task)
	stopping := s.task.Err() != nil
	if l.failure.Load() != nil && !stopping {
		var cancel context.CancelFunc
		work, cancel = context.WithTimeout(work, afterFailure)
		defer cancel()
	}
	s.tell(work)

	var serveErr error
	done := make(chan struct{})
	go func() {
		s.srv.GracefulStop()
		serveErr = <-served
		close(done)
	}()
	err := s.await(work, done)
	s.closeConns(fresh, handshaking, ready) // those that have failed, and that grpc does not wait for
	shutdown.SetStatus(s.task, s.status())
	if stopping { // what Accept returned after that is no failure
		return err
	}
	select {
	case <-done:
	default:
		if f := l.failure.Load(); f != nil {
			serveErr = *f
		}
	}
	if serveErr != nil {
		err = errors.Join(fmt.Errorf("grpcdrain: %w", serveErr), err)
	}
	return err
}

// tell tells RPCs and health that the server stops.
func (s *server) tell(work context.Context) {
	s.ready.announce(true)
	s.mu.Lock()
	s.isTold, s.toldAt, s.window = true, time.Now(), s.spread
	s.began = s.toldAt
	if at, ok := work.Deadline(); ok {
		left := at.Sub(s.toldAt)
		s.window = max(0, min(s.spread, left-margin(left)-min(lastPart, tree.Budget(left)/4)))
	}
	for r := range s.rpcs {
		if r.draining != nil {
			s.schedule(r)
		}
	}
	close(s.told)
	s.mu.Unlock()
	s.endWatches(false)
}

// await waits until done is closed, or until the deadline, at which it closes all connections.
func (s *server) await(work context.Context, done <-chan struct{}) error {
	shutdown.SetStatus(s.task, s.status())
	rounds := time.NewTicker(round)
	defer rounds.Stop()
	lastMoment := time.NewTimer(s.untilLastMoment(work))
	defer lastMoment.Stop()
	stopped := s.task.Done()
	if s.task.Err() != nil {
		stopped = nil
	}
	var closeIdle time.Time
	for {
		select {
		case <-done:
			return s.failure(snapshot{at: time.Now()}, true)
		case now := <-rounds.C:
			if !closeIdle.IsZero() && now.After(closeIdle) && s.isIdle() {
				return s.closeAll(done, margin(now.Sub(s.began))/4)
			}
			s.closeConns(handshaking)
			s.endSent(now)
			s.endWatches(true)
			shutdown.SetStatus(s.task, s.status())
		case <-stopped: // a drain that has begun before the stop now has a deadline
			stopped = nil
			s.began = time.Now()
			lastMoment.Reset(min(s.untilLastMoment(work), s.untilLastMoment(group.WorkContext(s.task))))
		case now := <-lastMoment.C:
			s.endRPCs(shutdown.ErrGrace)
			closeIdle = now.Add(margin(now.Sub(s.began)) / 2)
			rounds.Reset(round / 25)
		case <-work.Done():
			return s.atDeadline(context.Cause(work), done)
		}
	}
}

// isIdle reports whether the connections that are left have no RPC. Their clients have not reacted
// to GOAWAY. The drain closes them before its deadline, so that the step is not late.
func (s *server) isIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tracked && len(s.rpcs) == 0
}

const never = time.Duration(1<<63 - 1)

// untilLastMoment is how long to wait before the contexts of RPCs end: until a little before the
// deadline of work, so that handlers can answer.
func (s *server) untilLastMoment(work context.Context) time.Duration {
	at, ok := work.Deadline()
	if !ok {
		return never
	}
	return time.Until(at.Add(-margin(at.Sub(s.began))))
}

// margin is the time that handlers have to answer before the deadline and, after it, about the
// time to the end of the step. It follows the margin of a step, see package shutdown.
func margin(all time.Duration) time.Duration {
	return max(0, tree.Margin(all))
}

// atDeadline closes all connections. It is called at the deadline, or earlier after a second
// signal. Then handlers first have the time to answer, unless they have had it.
func (s *server) atDeadline(cause error, done <-chan struct{}) error {
	var signal *signals.Error
	var toAnswer, toReturn time.Duration
	if errors.As(cause, &signal) {
		toAnswer = s.halfOfMinimum()
		toReturn = toAnswer / 4
	} else {
		toReturn = margin(time.Since(s.began)) / 4
		toAnswer = toReturn
		cause = shutdown.ErrGrace // or the time after a failure of the listener is over
	}
	s.mu.Lock()
	answered := s.ended != nil
	s.mu.Unlock()
	if !answered {
		s.endRPCs(cause)
		s.closeConns(handshaking)
		if wait(done, toAnswer) {
			return s.failure(snapshot{at: time.Now()}, true)
		}
	}
	return s.closeAll(done, toReturn)
}

// halfOfMinimum returns nearly half of the minimum that the step has after a second signal. The
// Deadline of the step's work context is still the one from before the signal. Only a group that
// stops within the step is told the new time, and gives half of it to its task.
func (s *server) halfOfMinimum() time.Duration {
	left := make(chan time.Duration, 1)
	var g group.Group
	g.Go("time to answer", func(ctx context.Context) error {
		<-ctx.Done()
		at, _ := group.WorkContext(ctx).Deadline() // each task that stops has one
		left <- time.Until(at)
		return nil
	})
	_ = g.Run(s.task)
	select {
	case d := <-left:
		return max(0, d)
	default: // no time is left
		return 0
	}
}

// closeAll closes all connections, and waits for at most limit. It returns the task's error.
func (s *server) closeAll(done <-chan struct{}, limit time.Duration) error {
	left := s.cutOff()
	s.closeConns(fresh, handshaking, ready)
	return s.failure(left, wait(done, limit))
}

func wait(done <-chan struct{}, limit time.Duration) bool {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-done:
		return true
	case <-timeout.C:
		return false
	}
}
