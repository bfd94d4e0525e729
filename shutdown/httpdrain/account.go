package httpdrain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// A request is what the report says of a request. Its strings are those that net/http has read. The
// http.Request is not read later, since the user's code may change it at any time.
type request struct {
	method, host, uri string
	since             time.Duration // when it began, from the server's base; 0: before the announcement
	cut               bool          // it is in the account as cut short
	hurried           bool          // a second signal has ended its context
	done              bool          // it is counted as finished, or its hijacked connection as closed
}

// cut is a request, or a hijacked connection, that the drain has cut short.
type cut struct {
	request
	pattern  string // of ServeMux, if it is known
	state    string
	answered bool
	hijacked bool
	age      time.Duration // since the announcement, if the request is older
}

// The states of requests that were cut short.
const (
	answered    = "answered" // after the end of its context
	notAnswered = "not answered"
	notReceived = "body not received"
	inResponse  = "in the middle of the response"
	overHTTP2   = "over HTTP/2"
	isHijacked  = "hijacked"
)

// An account has what the drain has cut short, at its deadline or after a second signal.
type account struct {
	mu                 sync.Mutex
	cuts               []cut
	requests, hijacked int // of these
}

func (a *account) add(c cut) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cuts = append(a.cuts, c)
	if c.hijacked {
		a.hijacked++
	} else {
		a.requests++
	}
}

func (a *account) counts() (requests, hijacked int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests, a.hijacked
}

// begin makes rec the record of a request that begins now. Starts are only recorded once the stop has
// been announced: to read the clock would double the cost of a request in this package.
func (rec *request) begin(s *server, r *http.Request) {
	rec.method, rec.host, rec.uri = r.Method, r.Host, r.RequestURI
	rec.since, rec.cut, rec.hurried, rec.done = 0, false, false, false
	if s.phase.Load() != open {
		rec.since = time.Since(s.base)
	}
}

// returned adds a request whose handler has returned to the account, if the drain has ended its
// context. It is called by the handler's goroutine once the server was told to stop.
func (l *link) returned(rec *request, r *http.Request, how string) {
	var second *signals.Error
	cause := context.Cause(r.Context())
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case cause == shutdown.ErrGrace:
		c := cut{state: how, answered: how == answered, pattern: r.Pattern}
		if l.current() == hijacked {
			c.state, c.hijacked = isHijacked, true
		}
		l.cut(rec, c)
	case errors.As(cause, &second):
		rec.hurried = true
	}
}

// cut adds a request to the account, once. The link is locked.
func (l *link) cut(rec *request, c cut) {
	if rec.cut || rec.done {
		return
	}
	rec.cut = true
	c.request, c.age = *rec, time.Since(l.s.base)-max(rec.since, time.Duration(l.s.t0.Load()))
	l.s.account.add(c)
}

// finish counts a request that was not cut short.
func (l *link) finish(rec *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec.cut || rec.done {
		return
	}
	rec.done = true
	l.s.finished.Add(1)
	if rec.hurried {
		l.s.hurried.Add(1)
	}
}

// unfinish takes back that rec is finished. The link is locked.
func (l *link) unfinish(rec *request) {
	if !rec.done {
		return
	}
	rec.done = false
	l.s.finished.Add(-1)
	if rec.hurried {
		l.s.hurried.Add(-1)
	}
}

// finishHijacked counts a hijacked connection that was not cut short.
func (l *link) finishHijacked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.cut && !l.last.done {
		l.last.done = true
		l.s.hijacked.Add(1)
	}
}

// wasCut reports whether the last request of a connection is in the account.
func (l *link) wasCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.cut
}

// cutAll adds all requests of the connection to the account. Its close cuts them short.
func (l *link) cutAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.current() {
	case serving:
		state := notAnswered
		if l.direct && l.body.Load() == bodyAwaited {
			state = notReceived
		}
		l.cut(&l.last, cut{state: state})
	case written, marked, ended:
		l.cut(&l.last, cut{state: inResponse})
	case hijacked:
		l.cut(&l.last, cut{state: isHijacked, hijacked: true})
	default:
		for rec := range l.streams {
			l.cut(rec, cut{state: overHTTP2})
		}
		if l.isWriting() {
			l.unfinish(&l.last)
			l.cut(&l.last, cut{state: inResponse})
		}
	}
}

// closeAll closes all connections, and adds to the account what that cuts short.
func (s *server) closeAll() {
	var sockets []*link
	for _, l := range s.connections(nil) {
		l.cutAll()
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
}

// A drainError is the error of a task whose drain has cut something short.
type drainError struct {
	text  string
	cause error // shutdown.ErrGrace where the deadline has cut it short
}

func (e *drainError) Error() string { return "httpdrain: " + e.text }
func (e *drainError) Unwrap() error { return e.cause }

// failure returns the error of the drain: what it has cut short and not served, and the texts in more.
func (s *server) failure(more ...string) error {
	text := join("; ", append([]string{s.cutShort(), s.notServed()}, more...)...)
	if text == "" {
		return nil
	}
	e := &drainError{text: text}
	if cause := s.ended.Load(); cause != nil && *cause == shutdown.ErrGrace {
		e.cause = shutdown.ErrGrace
	}
	return e
}

// mostNamed is how many requests the error names.
const mostNamed = 10

// cutShort is such as "2 requests cut short: POST /orders, body not received, 24.1s; GET /report,
// answered, 23.2s", or "" if there is none. It names those without an answer first, and of these the
// oldest.
func (s *server) cutShort() string {
	requests, hijacked := s.account.counts()
	total := join(", ",
		counted(requests, "request cut short", "requests cut short"),
		counted(hijacked, "hijacked connection cut short", "hijacked connections cut short"),
	)
	if total == "" {
		return ""
	}
	s.account.mu.Lock()
	cuts := slices.Clone(s.account.cuts)
	s.account.mu.Unlock()
	slices.SortStableFunc(cuts, func(a, b cut) int {
		if a.answered != b.answered {
			if b.answered {
				return -1
			}
			return 1
		}
		return -cmp.Compare(a.age, b.age)
	})
	var named []string
	for _, c := range cuts[:min(len(cuts), mostNamed)] {
		named = append(named, s.describe(c))
	}
	if more := len(cuts) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return total + ": " + strings.Join(named, "; ")
}

// describe is such as "POST /orders, body not received, 24.1s".
func (s *server) describe(c cut) string {
	older := ""
	if c.since == 0 {
		older = "more than "
	}
	return fmt.Sprintf("%s %s, %s, %s%v", c.method, s.route(c), c.state, older, rounded(c.age))
}

// route returns the pattern of ServeMux without its method, or the path without the query, which may
// have secrets. A handler that has not returned may be in ServeMux, which writes the pattern into the
// http.Request: so ServeMux is asked for it.
func (s *server) route(c cut) string {
	pattern := c.pattern
	if mux, ok := s.handler.(*http.ServeMux); ok && pattern == "" {
		if u, err := url.ParseRequestURI(c.uri); err == nil {
			_, pattern = mux.Handler(&http.Request{Method: c.method, Host: c.host, URL: u})
		}
	}
	if pattern != "" {
		if _, path, ok := strings.Cut(pattern, " "); ok {
			pattern = strings.TrimLeft(path, " \t")
		}
		return pattern
	}
	path, _, _ := strings.Cut(c.uri, "?")
	return printable(path)
}

// longestPath is how much of a path the report shows.
const longestPath = 80

// printable shortens a path, and escapes what a terminal should not get.
func printable(path string) string {
	path = strings.Trim(strconv.QuoteToASCII(path), `"`)
	if len(path) > longestPath {
		path = path[:longestPath] + "..."
	}
	return path
}

// rounded rounds d for people.
func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
