package httpdrain

import (
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/shutdown"
)

// The phases of a server.
const (
	open      int32 = iota
	announced       // not ready, but everything is still served
	told            // the server was told to stop
)

// watch waits for the announcement of the stop.
func (s *server) watch(c *shutdown.Coordinator) (stop func()) {
	s.coord = c
	over := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		known.Begin()
		defer known.End()
		for {
			select {
			case <-s.coord.Stopping():
				s.announce()
			case <-over:
				return
			}
			select {
			case <-s.resume:
			case <-over:
				return
			}
		}
	})
	return func() { close(over); done.Wait() }
}

// resumed reports whether the announcement of the stop was undone. No event reports that, so it is
// called before a response says "Connection: close".
func (s *server) resumed() bool {
	if s.phase.Load() != announced || !s.coord.Ready() {
		return false
	}
	if s.phase.CompareAndSwap(announced, open) {
		s.t0.Store(0)
		select {
		case s.resume <- struct{}{}:
		default:
		}
	}
	return true
}

func (s *server) isTold() bool { return s.phase.Load() == told }

func (s *server) announce() {
	s.t0.CompareAndSwap(0, int64(time.Since(s.base)))
	s.phase.CompareAndSwap(open, announced)
}

func (s *server) tell() {
	s.t0.CompareAndSwap(0, int64(time.Since(s.base)))
	s.toldAt.Store(int64(time.Since(s.base)))
	s.phase.Store(told)
	close(s.told)
}

// wake makes the drain scan again.
func (s *server) wake() {
	if s.phase.Load() != told {
		return
	}
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
