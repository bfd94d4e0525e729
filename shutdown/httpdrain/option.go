package httpdrain

import (
	"fmt"
	"net"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
)

// defaultLinger is five times a gap of 200 ms between a client's requests, which leaves
// fewer than one in a hundred of the requests that would meet a closed connection.
const defaultLinger = time.Second

// An Option changes how a server is served and drained.
type Option interface{ apply(*options) }

type option func(*options)

func (o option) apply(s *options) { o(s) }

type options struct {
	listener  net.Listener
	linger    time.Duration
	cert, key string // files
	monitor   *Monitor
}

// Listener has the server accept from l, and not listen on its Addr: a Unix socket, a
// socket that systemd has opened, a listener that limits or counts. The task closes it.
//
// Where it is neither a *net.TCPListener nor a *net.UnixListener, the connections that it
// has ready when it is closed are lost, as they are with net/http. One of crypto/tls does the
// TLS, and the server's TLSConfig is for that then, as with http.Server.Serve; one that does
// it in any other way must not where the server does.
//
// The task waits for the Close of l, until its cut.
//
// A nil l panics.
func Listener(l net.Listener) Option {
	if l == nil {
		panic("httpdrain: Listener was given nil, at " + site.Caller(2))
	}
	return option(func(o *options) { o.listener = l })
}

// Linger is how long an HTTP/1 connection without a request stays open after the server
// was told to stop: the next request on it is answered, and its client told not to send
// another. Closed at once, it may be closed under a request that is on its way. Five times
// the time between two requests of one client is enough. It costs nothing where there are
// many requests, and is never more than a fifth of the time that the stop may take.
//
// The default is 1 s. Zero means to close at once, and a negative d panics.
func Linger(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("httpdrain: Linger(%v) is negative, at %s", d, site.Caller(2)))
	}
	return option(func(o *options) { o.linger = d })
}

// TLSFiles has the server use TLS with the certificate and the key in these PEM files, as
// http.Server.ListenAndServeTLS does. It is not needed where the server's TLSConfig has a
// certificate, or a function that gets one. If they do not load, the task fails at once.
func TLSFiles(cert, key string) Option {
	return option(func(o *options) { o.cert, o.key = cert, key })
}

// Watch has m show what the server does. A Monitor watches one server. A nil m panics.
func Watch(m *Monitor) Option {
	if m == nil {
		panic("httpdrain: Watch was given nil, at " + site.Caller(2))
	}
	return option(func(o *options) { o.monitor = m })
}
