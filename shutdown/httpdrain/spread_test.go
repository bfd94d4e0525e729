package httpdrain_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// What stays connected is told to leave over a window: WebSockets and streams through Draining.
func TestSpreadTellsEachAtAMomentOfItsOwn(t *testing.T) {
	const n = 200
	for _, path := range []string{"/websocket", "/stream"} {
		spread(t, path, &shutdown.Coordinator{}, func(s *spreader) {
			ends := s.open(n, path)
			s.requestStop()
			s.Clean()
			evenly(t, s.told, n, 0, 5*time.Second)
			s.Within(5*time.Second + callbacks)
			for range n {
				if end := <-ends; !strings.Contains(end, "1001") && !strings.Contains(end, "goodbye") {
					t.Errorf("a connection ended with %q", end)
				}
			}
		}, httpdrain.Spread(5*time.Second), httpdrain.Linger(0))
	}
	spread(t, "0: all at once", &shutdown.Coordinator{}, func(s *spreader) {
		s.open(n, "/websocket")
		s.requestStop()
		s.Clean()
		s.Within(callbacks)
		if slices.Max(s.told) != 0 {
			t.Errorf("the last was told after %v", slices.Max(s.told))
		}
	}, httpdrain.Spread(0))
}

// No part of the window has many more closes than the others, wherever the part begins.
func TestSpreadHasNoBurst(t *testing.T) {
	const n, window, part = 2000, 20 * time.Second, 100 * time.Millisecond
	spread(t, "websockets", &shutdown.Coordinator{Grace: 30 * time.Second}, func(s *spreader) {
		s.open(n, "/websocket")
		s.requestStop()
		s.Clean()
		if len(s.told) != n {
			t.Fatalf("%d were told, want %d", len(s.told), n)
		}
		slices.Sort(s.told)
		busiest, first := 0, 0
		for i, at := range s.told {
			for at-s.told[first] >= part {
				first++
			}
			busiest = max(busiest, i-first+1)
		}
		const mean = int(n * part / window)
		t.Logf("%d in the busiest %v, on average %d", busiest, part, mean)
		if busiest > mean*13/10 {
			t.Errorf("%d in the busiest %v, want at most 1.3 times %d", busiest, part, mean)
		}
		if last := slices.Max(s.told); last >= window {
			t.Errorf("the last was told after %v, want less than %v", last, window)
		}
	}, httpdrain.Spread(window))
}

// A stream over HTTP/1 that is told last leaves its connection idle. That does not make the task late.
func TestSpreadOfStreamsUntilTheDeadline(t *testing.T) {
	spread(t, "stream", &shutdown.Coordinator{}, func(s *spreader) {
		s.open(100, "/stream")
		s.requestStop()
		s.Clean()
		s.Within(grace - 500*time.Millisecond)
	}, httpdrain.Spread(time.Hour), httpdrain.Linger(time.Hour))
}

// The window begins when the task's context ends.
func TestSpreadBeginsAfterTheDelay(t *testing.T) {
	spread(t, "delay", &shutdown.Coordinator{Delay: 4 * time.Second}, func(s *spreader) {
		s.open(100, "/websocket")
		s.requestStop()
		s.Clean()
		evenly(t, s.told, 100, 4*time.Second, 6*time.Second)
	}, httpdrain.Spread(2*time.Second))
}

// The window is at most the time that requests have, less min(1s, budget/4). If that makes it shorter,
// the step's status and the log say so.
func TestSpreadIsShorterIfTheBudgetIs(t *testing.T) {
	for _, tt := range []struct{ grace, requests, want time.Duration }{
		{10 * time.Second, 9025 * time.Millisecond, 8025 * time.Millisecond},     // 9.5 s less a twentieth, less 1 s
		{2 * time.Second, 1805 * time.Millisecond, 1305 * time.Millisecond},      // 1.9 s less a twentieth, less 0.5 s
		{400 * time.Millisecond, 350 * time.Millisecond, 250 * time.Millisecond}, // 375 ms less 25 ms, less 100 ms
	} {
		spread(t, tt.grace.String(), &shutdown.Coordinator{Grace: tt.grace}, func(s *spreader) {
			const n = 200
			s.open(n, "/websocket")
			s.requestStop()
			s.Clean()
			evenly(t, s.told, n, 0, tt.want)
			want := "Spread reduced from 1h0m0s to " + tt.want.String()
			if got := s.Report().Steps[0].Status; !strings.HasSuffix(got, want) {
				t.Errorf("status = %q, want %q in it", got, want)
			}
			if want = "httpdrain: " + want + ": requests have " + tt.requests.String(); !strings.Contains(s.log.String(), want) {
				t.Errorf("log = %q, want %q in it", s.log.String(), want)
			}
		}, httpdrain.Spread(time.Hour))
	}
	spread(t, "not if it fits", &shutdown.Coordinator{}, func(s *spreader) {
		s.open(1, "/websocket")
		s.requestStop()
		s.Clean()
		if got, want := s.Report().Steps[0].Status, "1 hijacked connection closed, 1 connection gone"; got != want || s.log.Len() > 0 {
			t.Errorf("status = %q, want %q; log = %q, want none", got, want, s.log.String())
		}
	}, httpdrain.Spread(8025*time.Millisecond))
}

// The connections that are told last have min(1s, budget/4) to leave before their contexts end.
func TestSpreadLeavesTimeToTheLast(t *testing.T) {
	for _, tt := range []struct{ grace, leave time.Duration }{
		{10 * time.Second, 990 * time.Millisecond},
		{2 * time.Second, 490 * time.Millisecond},
	} {
		spread(t, tt.grace.String(), &shutdown.Coordinator{Grace: tt.grace}, func(s *spreader) {
			const n = 200
			ends := s.open(n, "/heeds?leave="+tt.leave.String())
			s.requestStop()
			s.Clean()
			for range n {
				if end := <-ends; end != "hijacked1001" {
					t.Errorf("a connection ended with %q, want 1001", end)
				}
			}
		}, httpdrain.Spread(time.Hour))
	}
}

// An idle connection is closed at the later of Linger and its moment.
func TestSpreadClosesIdleConnections(t *testing.T) {
	for _, tt := range []struct {
		name         string
		linger       time.Duration
		spread       time.Duration
		first, until time.Duration
	}{
		{"after Linger", time.Second, 5 * time.Second, time.Second, 5 * time.Second},
		{"without Linger", 0, 5 * time.Second, 0, 5 * time.Second},
		{"with a Linger that is longer", time.Second, 500 * time.Millisecond, time.Second, time.Second + 1},
	} {
		const n = 100
		spread(t, tt.name, &shutdown.Coordinator{}, func(s *spreader) {
			closed := make(chan time.Duration, n)
			for range n {
				c := s.dial()
				c.get("/")
				c.answer()
				go func() {
					_, _ = c.r.ReadByte()
					closed <- time.Since(s.stop)
				}()
			}
			synctest.Wait()
			s.requestStop()
			s.Clean()
			var at []time.Duration
			for range n {
				at = append(at, <-closed)
			}
			if tt.until > tt.first+1 {
				evenly(t, at, n, tt.first, tt.until)
			} else if slices.Min(at) != tt.first || slices.Max(at) != tt.first {
				t.Errorf("closed from %v to %v, want all after %v", slices.Min(at), slices.Max(at), tt.first)
			}
			s.Within(tt.until + callbacks)
		}, httpdrain.Linger(tt.linger), httpdrain.Spread(tt.spread))
	}
	spread(t, "or with its next response", &shutdown.Coordinator{}, func(s *spreader) {
		c := s.dial()
		c.get("/")
		c.answer()
		s.requestStop()
		c.get("/")
		if res, body := c.answer(); !res.Close || body != "hello" {
			t.Errorf("close = %v, body = %q", res.Close, body)
		}
		s.Clean()
		s.Within(callbacks)
	}, httpdrain.Spread(5*time.Second))
}

// A request whose handler does not call Draining is not affected.
func TestSpreadDoesNotAffectOtherRequests(t *testing.T) {
	spread(t, "slow", &shutdown.Coordinator{}, func(s *spreader) {
		c := s.dial()
		c.get("/slow")
		synctest.Wait()
		s.requestStop()
		if res, body := c.answer(); !res.Close || body != "slow" {
			t.Errorf("close = %v, body = %q", res.Close, body)
		}
		s.Clean()
		s.Within(7*time.Second + callbacks)
		if st := s.mon.Stats(); st.Untold != 0 {
			t.Errorf("Untold = %d, want 0", st.Untold)
		}
	}, httpdrain.Spread(5*time.Second))
}

// The drain ends when the last connection has gone, not when the window does.
func TestSpreadDoesNotHoldUpTheDrain(t *testing.T) {
	for _, d := range []time.Duration{0, 5 * time.Second} {
		spread(t, d.String(), &shutdown.Coordinator{}, func(s *spreader) {
			var clients []*client
			for range 10 {
				c := s.dial()
				c.get("/stream")
				clients = append(clients, c)
			}
			synctest.Wait()
			s.stop = time.Now()
			for _, c := range clients {
				_ = c.conn.Close()
			}
			s.Signal(syscall.SIGTERM)
			s.Wait()
			s.Within(callbacks)
		}, httpdrain.Spread(d))
	}
}

// A second signal ends the window. Handlers can say goodbye before the contexts of requests end.
func TestSpreadEndsAtTheSecondSignal(t *testing.T) {
	spread(t, "second signal", &shutdown.Coordinator{}, func(s *spreader) {
		const n = 20
		ends := s.open(n, "/websocket")
		s.requestStop()
		s.Signal(syscall.SIGTERM) // 250 ms later
		if r := s.Wait(); r.Err() != nil || r.Took > 250*time.Millisecond+callbacks {
			t.Errorf("took %v: %v", r.Took, r.Err())
		}
		for range n {
			if end := <-ends; end != "1001" {
				t.Errorf("a connection ended with %q, want 1001", end)
			}
		}
	}, httpdrain.Spread(8*time.Second))
	spread(t, "with a handler that heeds its context", &shutdown.Coordinator{}, func(s *spreader) {
		ends := s.open(1, "/heeds?leave=20ms")
		s.requestStop()
		s.Signal(syscall.SIGTERM)
		if r := s.Wait(); r.Err() != nil {
			t.Error(r.Err())
		}
		if end := <-ends; end != "hijacked1001" {
			t.Errorf("the connection ended with %q, want 1001", end)
		}
	}, httpdrain.Spread(8*time.Second))
}

// Monitor and the step's status say how many have gone and how many are still to be told.
func TestSpreadIsWatched(t *testing.T) {
	spread(t, "stats", &shutdown.Coordinator{}, func(s *spreader) {
		s.open(100, "/websocket")
		if st := s.mon.Stats(); st.Gone != 0 || st.Untold != 0 {
			t.Errorf("before the stop: %+v", st)
		}
		s.requestStop()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		st := s.mon.Stats()
		if st.Gone+st.Untold != 100 || st.Gone < 48 || st.Gone > 52 {
			t.Errorf("in the middle: %d gone, %d untold, want half of 100", st.Gone, st.Untold)
		}
		s.Clean()
		if st := s.mon.Stats(); st.Gone != 100 || st.Untold != 0 {
			t.Errorf("at the end: %+v", st)
		}
	}, httpdrain.Spread(8*time.Second))
}
