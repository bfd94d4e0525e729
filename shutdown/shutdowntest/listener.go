package shutdowntest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// A Listener is a network in memory, for a server in a test. In a synctest bubble, where
// sockets make the clock stand still, it is the only one there is.
//
//	l := shutdowntest.Listen(t)
//	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
//	...
//	res, err := l.Client().Get("http://server/")
//
// Its connections are those of net.Pipe: they have deadlines and no buffer.
type Listener struct {
	conns     chan net.Conn
	closed    chan struct{}
	once      sync.Once
	transport http.Transport
}

// Listen makes a Listener. It is closed at the end of the test, and the idle connections of
// its Client before.
func Listen(t TB) *Listener {
	l := &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.transport.DialContext = l.DialContext
	t.Cleanup(func() {
		l.transport.CloseIdleConnections()
		_ = l.Close()
	})
	return l
}

// DialContext connects, whatever the address is. It returns when the connection has been
// accepted. An error is a *net.OpError: of ctx, or net.ErrClosed where the listener is
// closed.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	err := error(net.ErrClosed)
	select {
	case <-l.closed:
	default:
		select {
		case l.conns <- theirs:
			return ours, nil
		case <-l.closed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	_ = ours.Close()
	_ = theirs.Close()
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.Addr(), Err: err}
}

// Client sends every request to this listener, whatever host the URL names, and keeps its
// connections alive.
func (l *Listener) Client() *http.Client { return &http.Client{Transport: &l.transport} }

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "memory", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close refuses connections from now on. It may be called more than once.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is that of no network.
func (l *Listener) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }
