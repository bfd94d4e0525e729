package shutdowntest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// A Listener is a network in memory, for a server in a test. In a synctest bubble it replaces
// sockets: time does not pass there while a goroutine waits for a socket.
//
//	l := shutdowntest.Listen(t)
//	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
//	...
//	res, err := l.Client().Get("http://server/")
//
// Its connections are made by [net.Pipe]: they support deadlines, and have no buffers.
type Listener struct {
	conns     chan net.Conn
	closed    chan struct{}
	once      sync.Once
	transport http.Transport
}

// Listen returns a new Listener. At the end of the test, the idle connections of its Client and the
// Listener are closed.
func Listen(t TB) *Listener {
	l := &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.transport.DialContext = l.DialContext
	t.Cleanup(func() {
		l.transport.CloseIdleConnections()
		_ = l.Close()
	})
	return l
}

// DialContext connects to the listener; it ignores network and address. It returns when the
// connection has been accepted. An error is a *net.OpError with the error of ctx or, if the listener
// is closed, net.ErrClosed.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	err := error(net.ErrClosed)
	select {
	case <-l.closed:
	default:
		select {
		case l.conns <- server:
			return client, nil
		case <-l.closed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	_ = client.Close()
	_ = server.Close()
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.Addr(), Err: err}
}

// Client returns an HTTP client that sends every request to this listener, for any host in the URL.
// It keeps its connections alive.
func (l *Listener) Client() *http.Client { return &http.Client{Transport: &l.transport} }

// Accept waits for a connection. Once the listener is closed it returns an error that wraps
// net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "memory", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close makes the listener refuse connections. It may be called more than once.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address whose network and string are "memory".
func (l *Listener) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }
