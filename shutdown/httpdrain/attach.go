package httpdrain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Attach prepares a server that somebody else serves, such as the exporter-toolkit of Prometheus, and
// returns the function that stops it. Call Attach before the server is served:
//
//	stop := httpdrain.Attach(srv)
//	g.Add("metrics", func(context.Context) error { return web.ListenAndServe(srv, flags, log) }, stop)
//
// From then on the server drains as with [Serve]: from the announcement of a stop on, responses say
// "Connection: close", and stop drains the server, at most until the deadline of its context. The
// options are those of Serve, except Listener, Wrap and TLSFiles.
//
// The listener belongs to the program that serves. If it is from package net, its accept queue is
// drained. If it is another, such as that of ServeTLS, the connections in its accept queue are
// lost, and the step's status says so. stop closes it, and the server's own Serve then returns an
// error that wraps net.ErrClosed, or http.ErrServerClosed.
//
// Attach sets the fields BaseContext, ConnContext and ConnState to functions that call yours, and
// the field Handler when the server is served. If something replaces BaseContext after Attach, or
// has another task serve the server, stop is the server's own Shutdown. The contexts of requests
// derive from your BaseContext. If that is derived from main's context, the request to stop does
// not end them. The announcement is that of the Coordinator which BaseContext belongs to, otherwise
// of the current one.
//
// stop returns nil if every request was answered, and otherwise an error like that of Serve. Its
// second call fails at once.
//
// Attach panics if srv is nil, or if it is given one of these three options.
func Attach(srv *http.Server, opts ...Option) (stop func(ctx context.Context) error) {
	if srv == nil {
		panic("httpdrain: Attach was given a nil server, at " + site.Caller(2))
	}
	o := options{linger: defaultLinger, advice: "serve with httpdrain.Serve"}
	for _, opt := range opts {
		opt.apply(&o)
	}
	if o.listener != nil || len(o.wrap) > 0 || o.cert != "" || o.key != "" {
		panic("httpdrain: Attach was given Listener, Wrap or TLSFiles, which are for Serve, at " + site.Caller(2))
	}
	a := &attached{server: newServer(srv, o), base: srv.BaseContext}
	a.cancel = a.cancelAll
	a.installHooks(a.serveListener)
	if o.monitor != nil {
		o.monitor.s.Store(a.server)
	}
	return a.stop
}

// An attached is a server that somebody else serves.
type attached struct {
	*server
	base func(net.Listener) context.Context // the user's BaseContext; may be nil

	shutByUser atomic.Bool // the program has called the server's own Shutdown or Close

	mu      sync.Mutex
	begun   bool // the server is served
	failed  error
	stopped bool
	unwatch func()
	cancels []context.CancelCauseFunc
}

// serveListener is the server's BaseContext. net/http calls it for each listener before it accepts
// from it. This is the only moment at which the drain can put a listener of its own between the
// two: serveListener serves it, until the stop, when it closes the listener. Then it returns, and
// the Serve that has called it finds the listener closed.
func (a *attached) serveListener(l net.Listener) context.Context {
	if own, ok := l.(*listener); ok {
		return own.requests
	}
	users := context.Background()
	if a.base != nil {
		if users = a.base(l); users == nil {
			return nil // net/http panics
		}
	}
	own, err := a.begin(l, users)
	switch {
	case err != nil:
		a.logf("httpdrain: Attach has no effect: %v", err)
		return users
	case own == nil: // it comes too late
		_ = l.Close()
		return users
	}
	// If the listener fails, net/http gets the same error from it next.
	if err := a.accept(own); errors.Is(err, http.ErrServerClosed) && !a.isTold() {
		a.shutByUser.Store(true)
	}
	return own.requests
}

// begin makes the listener that serves l. It returns nil if the server is stopped. It calls methods
// of l and users, which are of the user's types and may call stop. So it does not hold the lock
// then.
func (a *attached) begin(l net.Listener, users context.Context) (*listener, error) {
	own, err := a.newListener(l)
	if err != nil {
		return nil, err
	}
	var cancel context.CancelCauseFunc
	own.requests, cancel = requestBase(users, users)
	if ok, err := a.add(own, shutdown.FromContext(users), cancel); !ok {
		cancel(context.Canceled)
		return nil, err
	}
	return own, nil
}

// add adds a listener that begins, and reports whether it did. With the first listener the server is
// served: it watches c.
func (a *attached) add(l *listener, c *shutdown.Coordinator, cancel context.CancelCauseFunc) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return false, nil
	}
	if !a.begun && a.failed == nil {
		if a.failed = a.wrapHandler(); a.failed == nil {
			a.begun = true
			a.unwatch = a.watch(c)
		}
	}
	if a.failed != nil {
		return false, a.failed
	}
	a.cancels = append(a.cancels, cancel)
	a.listeners.add(l)
	return true, nil
}

// cancelAll ends the contexts of requests, which calls methods of the user's contexts.
func (a *attached) cancelAll(cause error) {
	a.mu.Lock()
	cancels := slices.Clone(a.cancels)
	a.mu.Unlock()
	for _, cancel := range cancels {
		cancel(cause)
	}
}

func (a *attached) stop(ctx context.Context) error {
	a.mu.Lock()
	begun, again := a.begun, a.stopped
	a.stopped = true
	a.mu.Unlock()
	switch {
	case again:
		return errors.New("httpdrain: the server was stopped already")
	case !begun:
		if err := a.srv.Shutdown(ctx); err != nil {
			return fmt.Errorf("httpdrain: %w", err)
		}
		return nil
	}
	defer a.window.wait()
	defer a.cancelAll(context.Canceled)
	defer a.unwatch()
	describe(ctx, a.status)
	defer func() { shutdown.SetStatus(ctx, a.status()) }()
	d := newDrain(a.server, ctx, func() context.Context { return ctx })
	d.closed.Store(a.shutByUser.Load())
	d.begin(0)
	return <-d.result
}
