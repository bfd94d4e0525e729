package httpdrain

import (
	"fmt"
	"net"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// defaultLinger is five times a pause of 200 ms between two requests of a client. A linger of
// five times the pause avoids more than 99 % of the requests that would find their connection
// closed.
const defaultLinger = time.Second

// An Option changes how Serve and Attach serve and drain.
type Option interface{ apply(*options) }

type option func(*options)

func (o option) apply(s *options) { o(s) }

type options struct {
	listener  net.Listener
	wrap      []func(net.Listener) net.Listener
	linger    time.Duration
	spread    time.Duration
	cert, key string // files
	monitor   *Monitor
	advice    string // how not to lose the accept queue of a listener that is no socket
}

// Listener makes the server accept from l instead of listening on its Addr. l may be a Unix
// socket, a socket that systemd has opened, or a listener that limits or counts connections.
// The task closes l, and waits for its Close until the deadline.
//
// If l is neither a *net.TCPListener nor a *net.UnixListener, connections that wait in its accept
// queue when it is closed are lost, as with net/http. The step's status says so. Use [Wrap] instead.
//
// If l comes from tls.NewListener, it does the TLS, and the server does not, as with
// http.Server.Serve. If l does TLS in another way, the server must not be set up for TLS.
//
// Listener panics if l is nil.
func Listener(l net.Listener) Option {
	if l == nil {
		panic("httpdrain: Listener was given nil, at " + site.Caller(2))
	}
	return option(func(o *options) { o.listener = l })
}

// Wrap puts the listener that f returns around the server's own. f is called once, when the server
// listens. It is given the socket that the server has opened or, with [Listener], that listener:
//
//	httpdrain.Wrap(func(l net.Listener) net.Listener { return &proxyproto.Listener{Listener: l} })
//	httpdrain.Wrap(func(l net.Listener) net.Listener { return netutil.LimitListener(l, 1000) })
//	httpdrain.Wrap(func(l net.Listener) net.Listener { return tls.NewListener(l, config) })
//
// When the server is told to stop, the connections in the socket's accept queue go through f's
// listener to the server, and none is lost. When the server has got all of them, the socket's
// Accept fails, and f's listener is closed. The server waits for at most 500 ms after the last one,
// since f's listener may pass some to another server. The socket's Close does nothing: the server
// closes the socket itself. If f's listener makes connections wait, as LimitListener does, those
// that still wait at the deadline are closed and counted in the task's error.
//
// The listener and the connections that f gets are not of the types of package net. The connections
// have the methods of a *net.TCPConn, and a method NetConn that returns it. If f's listener does the
// TLS, see [Listener].
//
// If Wrap is given several times, each listener is put around the one before. Wrap panics if f is
// nil. The task fails at once if f returns nil.
func Wrap(f func(net.Listener) net.Listener) Option {
	if f == nil {
		panic("httpdrain: Wrap was given nil, at " + site.Caller(2))
	}
	return option(func(o *options) { o.wrap = append(o.wrap, f) })
}

// Linger sets how long an idle HTTP/1 connection stays open after the stop was announced. It is closed
// when that time is over and the server was told to stop. The next request on the connection is answered
// with "Connection: close". If the connection were closed at once, a request that is already on its way
// would be lost.
//
// A delay longer than Linger leaves nothing to wait for: a connection that was idle all that time is
// closed when the server is told to stop. For a connection that becomes idle later, the time counts
// from then on.
//
// Five times the pause between two requests of one client is enough. Linger costs no time where
// clients send requests all the time. A Linger of more than a fifth of the task's budget is
// reduced to that.
//
// The default is 1 s. Zero closes idle connections at once. Linger panics if d is negative.
func Linger(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("httpdrain: Linger(%v) is negative, at %s", d, site.Caller(2)))
	}
	return option(func(o *options) { o.linger = d })
}

// Spread tells the clients that stay connected to leave at moments spread over d, so that they do
// not all reconnect at the same moment. Each connection has one moment. At its moment, the channel
// of [Draining] is closed for its requests and for its WebSocket. An idle HTTP/1 connection is closed
// at its moment, but not before Linger has passed. An HTTP/2 connection gets GOAWAY with the first
// response after its moment. Those that have had no such response get it at the end of the window.
// A request whose handler does not call Draining is not affected.
//
// The window begins when the task's context ends. It ends one second before the contexts of
// requests end, so that the connections that are told last have that second. If a quarter of the
// task's budget is less than a second, they have that quarter. If this makes the window shorter
// than d, the step's status and the server's ErrorLog say so. Spread reserves no time for the task;
// group.Reserve does. A second signal ends the window: all connections are told at once. The
// contexts of requests end a quarter of the task's minimum later. The task returns when the last
// connection is closed, which may be earlier than the end of the window.
//
// The functions given to RegisterOnShutdown are called when HTTP/2 connections may get GOAWAY and
// no HTTP/1 connection is idle. With Spread that may be at the end of the window. So use Draining
// instead of them.
//
// Servers that stop one after the other have their windows one after the other. Put them into a
// Concurrent group, so that they have them at the same time.
//
// The default is 0: all are told at once. Spread panics if d is negative.
func Spread(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("httpdrain: Spread(%v) is negative, at %s", d, site.Caller(2)))
	}
	return option(func(o *options) { o.spread = d })
}

// TLSFiles makes the server use TLS with the certificate and the key in these PEM files, as
// http.Server.ListenAndServeTLS does. It is not needed if the server's TLSConfig has a
// certificate, or a function that returns one. The task fails at once if a file does not load.
func TLSFiles(cert, key string) Option {
	return option(func(o *options) { o.cert, o.key = cert, key })
}

// Watch makes m report on this server. A Monitor reports on one server: if two servers have the
// same Monitor, it reports on the one that was started last. Watch panics if m is nil.
func Watch(m *Monitor) Option {
	if m == nil {
		panic("httpdrain: Watch was given nil, at " + site.Caller(2))
	}
	return option(func(o *options) { o.monitor = m })
}
