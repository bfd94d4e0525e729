package httpdrain

import (
	"fmt"
	"time"
)

// leftovers are what was there at the cut.
type leftovers struct {
	waiting  int           // requests whose handler has not answered
	begun    int           // requests in the middle of their response
	streams  int           // requests of HTTP/2
	hijacked int           // connections
	before   bool          // the oldest request began before the stop was announced
	oldest   time.Duration // since the oldest request began, or since then

	deaf      bool // a handler or a callback has not returned after that
	listening bool // the Close of the user's listener has not returned
}

// cutAll closes all connections, and counts what that has cut off.
func (s *server) cutAll() (left leftovers) {
	now := time.Since(s.base)
	var sockets []*link
	for _, l := range s.connections(nil) {
		requests := 1
		switch l.is() {
		case serving:
			left.waiting++
		case written, marked:
			left.begun++
		case hijacked:
			left.hijacked++
			requests = 0
		case h2active: // the last frames of a response may be left when its handler is not
			requests = max(1, int(l.handlers.Load()))
			left.streams += requests
		default:
			requests = int(l.handlers.Load())
			left.streams += requests
		}
		if requests > 0 {
			since := time.Duration(l.since.Load())
			left.before = left.before || since == 0
			left.oldest = max(left.oldest, now-max(since, s.stop()))
		}
		if !l.cut.Swap(true) {
			s.cut.Add(int64(requests))
		}
		if l.mine {
			sockets = append(sockets, l)
		} else {
			l.drop()
		}
	}
	// Of sockets there may be very many. To close one may take as long as the user's
	// SetLinger says.
	go s.try(func() {
		for _, l := range sockets {
			_ = l.raw.Close()
		}
	})
	return left
}

// String is what went wrong: "3 requests cut off (2 not answered, 1 in the middle of the
// response), the oldest 24.9s old".
func (o leftovers) String() string {
	requests := counted(o.waiting+o.begun+o.streams, "request cut off", "requests cut off")
	if requests != "" {
		requests += fmt.Sprintf(" (%s), %s", list(
			counted(o.waiting, "not answered", "not answered"),
			counted(o.begun, "in the middle of the response", "in the middle of the response"),
			counted(o.streams, "of HTTP/2", "of HTTP/2"),
		), o.age())
	}
	deaf, listening := "", ""
	if o.deaf {
		deaf = "not all handlers and callbacks have returned"
	}
	if o.listening {
		listening = "the listener's Close has not returned"
	}
	return list(requests, counted(o.hijacked, "hijacked connection cut off", "hijacked connections cut off"), deaf, listening)
}

// age is that of the oldest request. Before the stop is announced, nobody looks at the clock.
func (o leftovers) age() string {
	d := o.oldest.Round(time.Millisecond)
	if o.before {
		return fmt.Sprintf("the oldest from before the stop was announced, %v ago", d)
	}
	return fmt.Sprintf("the oldest %v old", d)
}
