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
	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Serve returns a task that listens on the server's Addr and serves until it is told to
// stop, and then drains the server, as described for this package. It is for group.Go,
// shutdown's Start, or a Coordinator's Run itself:
//
//	g.Go("http", httpdrain.Serve(&http.Server{Addr: ":8080", Handler: mux}))
//
// The server is the user's own: its Handler, TLSConfig, Protocols, timeouts, ConnState,
// BaseContext and ConnContext are what they are with net/http, and the functions given to
// RegisterOnShutdown are called and awaited, with what they have started. TLS is used where
// the TLSConfig has a certificate, or a function that gets one, or with TLSFiles. From its
// start, the task owns the server, and sets some of its fields.
//
// Where BaseContext returns main's context, or one made of it, the request to stop, which ends
// that, does not end requests.
//
// The task returns nil if every request was answered. It fails at once where it cannot
// listen or a certificate does not load. An error of the listener ends it too, after the
// requests in hand, for which there are 5 s then. At its cut it closes what is left, and
// fails with how much that was. http.ErrServerClosed is no error: a server that is shut
// down otherwise ends the task with nil, when it has drained.
//
// Outside of a Coordinator and a group the task stops within group.DefaultGrace of the end
// of its context. A nil server panics here. A server can be served once, by one task: any
// other, and the same one run again, fails at once.
func Serve(srv *http.Server, opts ...Option) func(ctx context.Context) error {
	if srv == nil {
		panic("httpdrain: Serve was given a nil server, at " + site.Caller(2))
	}
	o := options{linger: defaultLinger}
	for _, opt := range opts {
		opt.apply(&o)
	}
	return func(ctx context.Context) error {
		if inStep(ctx) {
			return run(ctx, srv, o)
		}
		var g group.Group // for its time limit, and the contexts that go with it
		g.Go("http", func(ctx context.Context) error { return run(ctx, srv, o) })
		return g.Run(ctx)
	}
}

// A phase is how far the stop has come.
const (
	open      int32 = iota
	announced       // not ready any more, and everything is still served
	told            // to stop
)

// A server is one run of the task.
type server struct {
	options
	srv     *http.Server
	own     http.Handler // as the server had it
	handler http.Handler // the same, and the default for nil
	general bool         // OPTIONS * is not for it
	tls     bool
	base    time.Time
	id      string // unique in the process

	phase  atomic.Int32
	told   chan struct{} // closed when it is told to stop
	woken  chan struct{} // what the drain waits for may have happened
	coord  *shutdown.Coordinator
	resume chan struct{}           // the announcement was taken back
	cancel context.CancelCauseFunc // ends the contexts of the requests
	at     atomic.Int64            // when the stop was announced, from base; 0: not yet

	finished, hijacked, cut atomic.Int64 // since it was told

	mu     sync.Mutex
	links  map[*link]struct{}
	others sync.Map // net.Conn to *link, asked twice for each request
}

var servers atomic.Int64

func run(ctx context.Context, srv *http.Server, o options) error {
	s := &server{
		options: o, srv: srv, base: time.Now().Add(-1),
		id:   strconv.FormatInt(servers.Add(1), 10),
		told: make(chan struct{}), woken: make(chan struct{}, 1), resume: make(chan struct{}, 1),
		links: make(map[*link]struct{}),
	}
	l, err := s.open()
	if err != nil {
		return fmt.Errorf("httpdrain: %w", err)
	}
	l.ctx = ctx
	s.install(ctx, l.Listener)
	defer s.cancel(context.Canceled)
	if s.monitor != nil {
		s.monitor.s.Store(s)
	}
	describe(ctx, s.status)
	defer func() { shutdown.SetStatus(ctx, s.status()) }()
	defer s.watch(ctx)()
	tell := sync.OnceFunc(s.tell)
	defer context.AfterFunc(ctx, func() {
		tell()
		s.wake() // a drain that has begun before the stop learns of its deadline
		l.wake()
		if !l.ours() {
			context.AfterFunc(group.WorkContext(ctx), l.abandon)
		}
	})()

	err = s.accept(l)
	close(l.over)
	_ = l.Close()
	asked := ctx.Err() != nil
	tell() // the context may end at this moment
	d := &drain{s: s, l: l, ctx: ctx}
	switch {
	case asked:
		err = nil
	case errors.Is(err, http.ErrServerClosed): // by somebody who called the server's own methods
		d.closed, err = true, nil
	default:
		d.most = afterFailure
	}
	return errors.Join(err, d.run())
}

// afterFailure is the most that the requests in hand are given where the listener has
// failed. The program is to hear of that, and it cannot before they are done.
const afterFailure = 5 * time.Second

// open takes the server and makes the listener. If it fails it leaves the server as it was,
// for another attempt, but nobody waiting at a listener that it was given.
func (s *server) open() (l *listener, err error) {
	if err = s.take(); err == nil {
		if l, err = s.listen(); err != nil {
			s.give()
		}
	}
	if err != nil && s.options.listener != nil {
		_ = s.options.listener.Close()
	}
	return l, err
}

var tlsListener = reflect.TypeOf(tls.NewListener(nil, nil))

func doesTLS(l net.Listener) bool { return reflect.TypeOf(l) == tlsListener }

// taking guards the handlers of servers that tasks take.
var taking sync.Mutex

// take puts this task's handler around the user's. A second one around that would find the
// connections of the first, and the two call each other for ever.
func (s *server) take() error {
	taking.Lock()
	defer taking.Unlock()
	if _, taken := s.srv.Handler.(*server); taken {
		return errors.New("another task serves this server, or has: each needs one of its own")
	}
	s.own, s.handler = s.srv.Handler, s.srv.Handler
	if s.handler == nil {
		s.handler = http.DefaultServeMux
	}
	s.general = !s.srv.DisableGeneralOptionsHandler
	s.srv.Handler, s.srv.DisableGeneralOptionsHandler = s, true
	return nil
}

func (s *server) give() {
	taking.Lock()
	defer taking.Unlock()
	s.srv.Handler, s.srv.DisableGeneralOptionsHandler = s.own, !s.general
}

// listen makes the listener, and finds out whether there will be TLS.
func (s *server) listen() (*listener, error) {
	conf := s.srv.TLSConfig
	s.tls = s.cert != "" || s.key != "" || conf != nil &&
		(len(conf.Certificates) > 0 || conf.GetCertificate != nil || conf.GetConfigForClient != nil)
	if s.tls && doesTLS(s.options.listener) {
		if s.cert != "" || s.key != "" {
			return nil, errBothTLS
		}
		s.tls = false // as with http.Server.Serve: the configuration is the listener's as well
	}
	if s.cert != "" || s.key != "" {
		if _, err := tls.LoadX509KeyPair(s.cert, s.key); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
	}
	l := s.options.listener
	if l == nil {
		addr := s.srv.Addr
		switch {
		case addr == "" && s.tls:
			addr = ":https"
		case addr == "":
			addr = ":http"
		}
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			return nil, err
		}
	}
	return &listener{Listener: l, s: s, over: make(chan struct{})}, nil
}

func (s *server) accept(l *listener) error {
	if s.tls {
		return s.srv.ServeTLS(l, s.cert, s.key)
	}
	return s.srv.Serve(l)
}

// install puts the server's own hooks around the user's.
func (s *server) install(ctx context.Context, l net.Listener) {
	srv := s.srv
	base, connCtx, connState := srv.BaseContext, srv.ConnContext, srv.ConnState
	// The request to stop does not end the contexts of requests, only s.cancel does.
	values := context.WithoutCancel(ctx)
	var under context.Context
	if base == nil {
		under, s.cancel = context.WithCancelCause(values)
	} else {
		under, s.cancel = underOf(base(l), values)
	}
	srv.BaseContext = func(net.Listener) context.Context { return under }
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		l := s.linkOf(c)
		if connCtx != nil {
			if ctx = connCtx(ctx, shown(c)); ctx == nil {
				return nil // as net/http has it, it panics
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
			connState(shown(c), at)
		}
		if l := s.linkOf(c); l != nil {
			l.hook(at)
		}
	}
}

// watch waits for the announcement of the stop, if there is a Coordinator to make one.
func (s *server) watch(ctx context.Context) (stop func()) {
	if !inProgram(ctx) {
		return func() {}
	}
	s.coord = shutdown.FromContext(ctx)
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

// resumed reports whether the stop was announced, and that taken back. Nobody says so:
// it is when a response is about to be marked that it matters.
func (s *server) resumed() bool {
	if s.phase.Load() != announced || !s.coord.Ready() {
		return false
	}
	if s.phase.CompareAndSwap(announced, open) {
		s.at.Store(0)
		select {
		case s.resume <- struct{}{}:
		default:
		}
	}
	return true
}

func (s *server) isTold() bool { return s.phase.Load() == told }

func (s *server) announce() {
	s.at.CompareAndSwap(0, int64(time.Since(s.base)))
	s.phase.CompareAndSwap(open, announced)
}

// stop is when the stop was announced.
func (s *server) stop() time.Duration { return time.Duration(s.at.Load()) }

func (s *server) tell() {
	s.at.CompareAndSwap(0, int64(time.Since(s.base)))
	s.phase.Store(told)
	close(s.told)
}

// wake has the drain look again.
func (s *server) wake() {
	if s.phase.Load() != told {
		return
	}
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
