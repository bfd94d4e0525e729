package httpdrain

import (
	"net/http"
	"testing"
)

// The deadline comes while the server closes a connection: the request is counted as finished or as
// cut short, and not as both.
func TestARequestIsCountedOnce(t *testing.T) {
	for _, at := range []state{serving, written, marked, hijacked} {
		for _, closedFirst := range []bool{true, false} {
			s := newServer(&http.Server{}, options{})
			l := s.newLink(nil)
			s.add(l)
			s.tell()
			l.state.Store(uint32(at))
			if closedFirst {
				l.close()
				l.cutAll()
			} else {
				l.cutAll()
				l.close()
			}
			requests, conns := s.account.counts()
			if n := s.finished.Load() + s.hijacked.Load() + int64(requests+conns); n != 1 || closedFirst != (s.failure() == nil) {
				t.Errorf("state %d, closed first: %t: counted %d times, error %v", at, closedFirst, n, s.failure())
			}
		}
	}
}
