package httpdrain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A Monitor counts the requests and connections of one server, for metrics. Its zero value is ready
// for Watch. It is safe for concurrent use.
type Monitor struct{ s atomic.Pointer[server] }

// Stats counts the requests and connections of a server.
type Stats struct {
	// Requests is the number of requests in flight: in a handler, or with a response that is
	// not fully written.
	Requests int
	// New, Active, Idle and Hijacked count the open connections by state. A new connection has
	// sent nothing yet. An idle one is between two requests or, with HTTP/2, has no stream. A
	// hijacked one belongs to the application.
	New, Active, Idle, Hijacked int
	// Finished counts the requests that have ended, Cut the requests that were cut short, and
	// HijackedClosed the hijacked connections that the application has closed. All count from
	// the moment at which the server was told to stop.
	Finished, Cut, HijackedClosed int
	// Gone counts the connections that have closed since the server was told to stop, without those
	// whose request was cut short. Untold counts those that Spread has still to tell. Both are 0
	// without Spread.
	Gone, Untold int
}

// Stats returns the counts at this moment. All are zero before the server listens. A call takes
// a few nanoseconds per connection.
func (m *Monitor) Stats() Stats {
	s := m.s.Load()
	if s == nil {
		return Stats{}
	}
	return s.stats()
}

func (s *server) stats() (st Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		switch l.current() {
		case fresh:
			st.New++
		case reading:
			st.Active++
		case serving, written, marked, ended:
			st.Active++
			st.Requests++
		case h2active:
			st.Active++
			st.Requests += max(1, int(l.handlers.Load())) // 0 before a handler is called, and when it has returned
		case h2idle, idle:
			st.Idle++
		case hijacked:
			st.Hijacked++
		}
		if s.window != nil && s.isTold() && !l.isTold() && l.leavesWhenTold() {
			st.Untold++
		}
	}
	st.Finished, st.HijackedClosed = int(s.finished.Load()), int(s.hijacked.Load())
	st.Cut, _ = s.account.counts()
	st.Gone = int(s.gone.Load())
	return st
}

// status is the status of the step: what it waits for, and what it has done.
func (s *server) status() string {
	st, left, undrained := s.stats(), "", ""
	if text := s.undrained.Load(); text != nil && s.isTold() {
		undrained = *text
	}
	if text := s.callbacksLeft.Load(); text != nil {
		left = *text
	}
	finished := counted(st.Finished, "request finished", "requests finished")
	if hurried := s.hurried.Load(); hurried > 0 {
		finished += fmt.Sprintf(", %d of them hurried", hurried)
	}
	inFlight := counted(st.Requests, "request in flight", "requests in flight")
	cutShort := counted(st.Cut, "request cut short", "requests cut short")
	if end := time.Duration(s.endAt.Load()); end != 0 {
		if left := end - time.Since(s.base); inFlight != "" && left > 0 {
			inFlight += fmt.Sprintf(" with %v left", rounded(left))
		}
		if cutShort != "" {
			cutShort += fmt.Sprintf(" after %v", rounded(end-time.Duration(s.toldAt.Load())))
		}
	}
	return join(", ",
		inFlight,
		counted(st.New+st.Active+st.Idle, "connection open", "connections open"),
		counted(st.Hijacked, "hijacked connection open", "hijacked connections open"),
		finished,
		cutShort,
		counted(st.HijackedClosed, "hijacked connection closed", "hijacked connections closed"),
		counted(st.Gone, "connection gone", "connections gone"),
		counted(st.Untold, "connection still to be told", "connections still to be told"),
		s.window.status(),
		s.notServed(),
		undrained,
		left,
	)
}

// notServed says how many connections the server has closed without a response. With Wrap, the user's
// listener may hold them back; without it, the server's goroutine may, in the user's ConnContext.
func (s *server) notServed() string {
	return counted(int(s.unserved.Load()), "connection not served, since the server has not accepted it in time",
		"connections not served, since the server has not accepted them in time")
}

// counted returns "3 things", "1 thing", or "" for 0.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// join joins the parts that are not empty.
func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), sep)
}
