package httpdrain

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// A Monitor shows what a server does, for metrics. The zero value is ready for Watch. It
// may be used by any goroutine.
type Monitor struct{ s atomic.Pointer[server] }

// Stats are figures of a server at one moment.
type Stats struct {
	// Requests are those in flight: in a handler, or with the rest of the response not
	// written yet.
	Requests int
	// Connections by state. Idle ones are between two requests, or without a stream in
	// the case of HTTP/2; those that are hijacked are the application's.
	New, Active, Idle, Hijacked int
	// Finished requests, requests that were cut off, and hijacked connections that the
	// application has closed, since the server was told to stop.
	Finished, Cut, HijackedClosed int
}

// Stats returns the figures of the server, zero before it has begun. It takes some
// nanoseconds for each connection.
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
		switch l.is() {
		case fresh:
			st.New++
		case reading:
			st.Active++
		case serving, written, marked:
			st.Active++
			st.Requests++
		case h2active:
			st.Active++
			st.Requests += int(l.handlers.Load())
		case h2idle, idle:
			st.Idle++
		case hijacked:
			st.Hijacked++
		}
	}
	st.Finished, st.Cut, st.HijackedClosed = int(s.finished.Load()), int(s.cut.Load()), int(s.hijacked.Load())
	return st
}

// status is what the step says of itself: what it waits for, and what it has done.
func (s *server) status() string {
	st := s.stats()
	return list(
		counted(st.Requests, "request in flight", "requests in flight"),
		counted(st.New+st.Active+st.Idle, "connection open", "connections open"),
		counted(st.Hijacked, "hijacked connection open", "hijacked connections open"),
		counted(st.Finished, "request finished", "requests finished"),
		counted(st.Cut, "cut", "cut"),
		counted(st.HijackedClosed, "hijacked connection closed", "hijacked connections closed"),
	)
}

// counted is "3 things", "1 thing", or "" for none.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// list joins the parts that are not empty.
func list(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
