package httpdrain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Serve returns a task that listens on the server's Addr and serves until it is told to stop. Then
// it drains the server as the package documentation describes. Run the task with group.Go, with
// shutdown.Start, or as the main function of a Coordinator's Run:
//
//	g.Go("http", httpdrain.Serve(&http.Server{Addr: ":8080", Handler: mux}))
//
// The server's Handler, TLSConfig, Protocols, timeouts, ConnState, BaseContext and ConnContext
// work as with net/http. The functions given to RegisterOnShutdown are called, and the task waits
// for them. When they have returned, it waits up to 2 s more for the goroutines that they have
// started. The step's status names those that still run then. The server uses TLS if its TLSConfig
// has a certificate or a function that returns one, or with the option TLSFiles.
//
// The task owns the server once it has started. It sets the fields Handler, BaseContext, ConnContext
// and ConnState to functions of its own, which call yours. It sets DisableGeneralOptionsHandler, and
// answers OPTIONS * itself unless you had set that field.
//
// If BaseContext returns main's context, or one derived from it, the contexts of requests do not
// end when main is told to stop.
//
// When it listens, the task calls group.Started: give it a group.Warmup if other tasks of the group
// wait for that.
//
// The task returns nil if every request was answered. It fails at once if it cannot listen, or if
// a certificate does not load. If the listener fails, the task waits up to 5 s for the requests in
// flight and returns the listener's error. At its deadline it closes all connections, also hijacked
// ones. Shortly before, it ends the contexts of the requests. Its error names the requests and
// hijacked connections that were cut short.
//
// It never returns http.ErrServerClosed: after a call of the server's own Shutdown or Close it
// drains and returns nil.
//
// Outside of a Coordinator and a group, the task stops within group.DefaultGrace after the end of
// its context.
//
// Serve panics if srv is nil. A server can be served once: a second task for it, or a second run
// of the same task, fails at once with an error that wraps group.ErrStopped. A task with
// group.Restart has to make the server itself. A task that could not listen may be run again.
func Serve(srv *http.Server, opts ...Option) func(ctx context.Context) error {
	if srv == nil {
		panic("httpdrain: Serve was given a nil server, at " + site.Caller(2))
	}
	o := options{linger: defaultLinger, advice: "use Wrap"}
	for _, opt := range opts {
		opt.apply(&o)
	}
	return func(ctx context.Context) error {
		if inStep(ctx) {
			return run(ctx, srv, o)
		}
		var g group.Group // it has a time limit, and work contexts
		g.Go("http", func(ctx context.Context) error { return run(ctx, srv, o) })
		return g.Run(ctx)
	}
}

// A server is one run of the task.
type server struct {
	options
	srv            *http.Server
	userHandler    http.Handler // the server's Handler before the task began; may be nil
	handler        http.Handler // userHandler or http.DefaultServeMux
	generalOptions bool         // answer OPTIONS * as net/http does, without the handler
	tls            bool
	base           time.Time
	id             string // unique in the process

	phase  atomic.Int32
	told   chan struct{} // closed when the server is told to stop
	window *window       // of Spread; nil without it
	woken  chan struct{} // something has changed that the drain may wait for
	coord  *shutdown.Coordinator
	resume chan struct{}           // the announcement was undone
	cancel context.CancelCauseFunc // ends the contexts of the requests

	// In nanoseconds from base; 0: not yet, or not known.
	t0     atomic.Int64 // when the stop was announced
	toldAt atomic.Int64 // when the server was told to stop
	endAt  atomic.Int64 // when the contexts of the requests end, or have ended

	finished, hurried, hijacked, gone atomic.Int64           // since the server was told to stop
	account                           account                // what the drain has cut short
	ended                             atomic.Pointer[error]  // why the contexts of the requests have ended; nil: they have not
	unserved                          atomic.Int64           // connections that have come too late to be served
	shutDown                          atomic.Bool            // the drain has called the server's Shutdown
	undrained                         atomic.Pointer[string] // what the drain cannot do for the user's listener, for the status
	callbacksLeft                     atomic.Pointer[string] // what callbacks have left running, for the status

	listeners listeners

	mu        sync.Mutex
	links     map[*link]struct{}
	unwrapped sync.Map // net.Conn to *link, read twice per request

	probe  time.Time            // see linkUnder
	probed atomic.Pointer[link] // the connection that the probe has reached
}

var servers atomic.Int64

func newServer(srv *http.Server, o options) *server {
	n := servers.Add(1)
	s := &server{
		options: o, srv: srv, base: time.Now().Add(-1),
		id: strconv.FormatInt(n, 10), probe: newProbe(n),
		told: make(chan struct{}), woken: make(chan struct{}, 1), resume: make(chan struct{}, 1),
		links: make(map[*link]struct{}),
	}
	s.window = newWindow(s)
	return s
}

func run(ctx context.Context, srv *http.Server, o options) error {
	s := newServer(srv, o)
	defer s.window.wait()
	l, err := s.open()
	if err != nil {
		return fmt.Errorf("httpdrain: %w", err)
	}
	s.listeners.add(l)
	s.install(ctx, l.Listener)
	defer s.cancel(context.Canceled)
	if s.monitor != nil {
		s.monitor.s.Store(s)
	}
	describe(ctx, s.status)
	defer func() { shutdown.SetStatus(ctx, s.status()) }()
	if inProgram(ctx) {
		defer s.watch(shutdown.FromContext(ctx))()
	}
	d := newDrain(s, ctx, func() context.Context { return group.WorkContext(ctx) })
	defer context.AfterFunc(ctx, func() {
		d.begin(0)
		s.wake() // a drain that has begun before the stop now has a deadline
	})()

	group.Started(ctx)
	serves(ctx)
	err = s.accept(l)
	stopping := ctx.Err() != nil
	switch {
	case stopping:
		err = nil
		d.begin(0)
	case errors.Is(err, http.ErrServerClosed): // the user called the server's own Shutdown or Close
		err = nil
		d.closed.Store(true)
		d.begin(0)
	default:
		d.begin(afterFailure)
	}
	return errors.Join(err, <-d.result)
}

// open wraps the server's handler and makes the listener. If it fails, it restores the server, so
// that the task can be run again, and closes a listener of the user's, so that no client waits
// there.
func (s *server) open() (l *listener, err error) {
	if err = s.wrapHandler(); err == nil {
		if l, err = s.listen(); err != nil {
			s.restoreHandler()
		}
	}
	if err != nil && s.options.listener != nil {
		_ = s.options.listener.Close()
	}
	return l, err
}

var tlsListener = reflect.TypeOf(tls.NewListener(nil, nil))

func doesTLS(l net.Listener) bool { return reflect.TypeOf(l) == tlsListener }

// handlerMu guards the Handler field of all servers.
var handlerMu sync.Mutex

// wrapHandler puts this task's handler around the user's. It refuses a server that has a task's
// handler already: the two would call each other for ever.
func (s *server) wrapHandler() error {
	handlerMu.Lock()
	defer handlerMu.Unlock()
	if _, taken := s.srv.Handler.(*server); taken {
		return servedError{}
	}
	s.userHandler, s.handler = s.srv.Handler, s.srv.Handler
	if s.handler == nil {
		s.handler = http.DefaultServeMux
	}
	s.generalOptions = !s.srv.DisableGeneralOptionsHandler
	s.srv.Handler, s.srv.DisableGeneralOptionsHandler = s, true
	return nil
}

// A servedError is the error of a second run of a server. It wraps group.ErrStopped, so that
// group.Restart does not try again.
type servedError struct{}

func (servedError) Error() string {
	return "another task serves this server, or has served it; each task needs a server of its own, made in the task if that is called again"
}

func (servedError) Unwrap() error { return group.ErrStopped }

func (s *server) restoreHandler() {
	handlerMu.Lock()
	defer handlerMu.Unlock()
	s.srv.Handler, s.srv.DisableGeneralOptionsHandler = s.userHandler, !s.generalOptions
}

// accept passes connections to net/http until Accept fails.
func (s *server) accept(l *listener) error {
	defer s.wake()
	defer close(l.served)
	defer l.Close()
	if s.tls {
		return s.srv.ServeTLS(l, s.cert, s.key)
	}
	return s.srv.Serve(l)
}

// install puts hooks around the user's hooks. Requests have the values of ctx.
func (s *server) install(ctx context.Context, l net.Listener) {
	// The request to stop does not end the contexts of requests, only s.cancel does.
	values := context.WithoutCancel(ctx)
	var requests context.Context
	if base := s.srv.BaseContext; base == nil {
		requests, s.cancel = context.WithCancelCause(values)
	} else {
		requests, s.cancel = requestBase(base(l), values)
	}
	s.installHooks(func(net.Listener) context.Context { return requests })
}

func (s *server) installHooks(base func(net.Listener) context.Context) {
	srv := s.srv
	connCtx, connState := srv.ConnContext, srv.ConnState
	srv.BaseContext = func(l net.Listener) context.Context { return ofRequest(base(l)) }
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		l := s.linkOf(c)
		if connCtx != nil {
			if ctx = connCtx(ctx, userConn(c)); ctx == nil {
				return nil // net/http panics
			}
		}
		if l == nil {
			return ctx
		}
		l.top = c
		return context.WithValue(ctx, &linkKey, l)
	}
	srv.ConnState = func(c net.Conn, at http.ConnState) {
		if connState != nil {
			connState(userConn(c), at)
		}
		if l := s.linkOf(c); l != nil {
			l.hook(at)
		}
	}
}
