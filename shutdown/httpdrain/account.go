package httpdrain

import (
	"fmt"
	"time"
)

// unfinished counts what the drain has cut off at its deadline.
type unfinished struct {
	unanswered int           // requests without a response
	partial    int           // requests with a part of their response
	streams    int           // HTTP/2 requests
	hijacked   int           // connections
	before     bool          // the oldest request began before the stop was announced
	oldest     time.Duration // its age, as far as known: if before is set, since the announcement

	running   bool // a handler or a callback still runs
	listening bool // the Close of the user's listener has not returned
}

// closeAll closes all connections, and counts what that cuts off.
func (s *server) closeAll() (left unfinished) {
	now := time.Since(s.base)
	var sockets []*link
	for _, l := range s.connections(nil) {
		requests := 1
		switch l.current() {
		case serving:
			left.unanswered++
		case written, marked:
			left.partial++
		case hijacked:
			left.hijacked++
			requests = 0
		case h2active: // the handler may have returned, and the last frames not be written yet
			requests = max(1, int(l.handlers.Load()))
			left.streams += requests
		default:
			requests = int(l.handlers.Load())
			left.streams += requests
		}
		if requests > 0 {
			since := time.Duration(l.since.Load())
			left.before = left.before || since == 0
			left.oldest = max(left.oldest, now-max(since, s.announcedAt()))
		}
		if !l.cutOff.Swap(true) {
			s.cutOff.Add(int64(requests))
		}
		if l.isSocket {
			sockets = append(sockets, l)
		} else {
			l.drop()
		}
	}
	// There may be many thousand sockets, and closing one may take as long as the user's
	// SetLinger says.
	go s.try(func() {
		for _, l := range sockets {
			_ = l.raw.Close()
		}
	})
	return left
}

// String is such as "3 requests cut off (2 not answered, 1 in the middle of the response),
// the oldest 24.9s old".
func (u unfinished) String() string {
	requests := counted(u.unanswered+u.partial+u.streams, "request cut off", "requests cut off")
	if requests != "" {
		requests += fmt.Sprintf(" (%s), %s", list(
			counted(u.unanswered, "not answered", "not answered"),
			counted(u.partial, "in the middle of the response", "in the middle of the response"),
			counted(u.streams, "over HTTP/2", "over HTTP/2"),
		), u.age())
	}
	running, listening := "", ""
	if u.running {
		running = "handlers or callbacks still running"
	}
	if u.listening {
		listening = "the listener's Close has not returned"
	}
	return list(requests, counted(u.hijacked, "hijacked connection cut off", "hijacked connections cut off"), running, listening)
}

// age describes the age of the oldest request. Starts of requests are only recorded once the
// stop has been announced.
func (u unfinished) age() string {
	age := u.oldest.Round(time.Millisecond)
	if u.before {
		return fmt.Sprintf("the oldest more than %v old", age)
	}
	return fmt.Sprintf("the oldest %v old", age)
}
