package grpcdrain

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/internal/unsent"
)

// A listener passes connections to grpc, and records them. Its Accept returns as soon as Close was
// called, and its Close does not wait for the inner one: GracefulStop calls Close with a lock held,
// and sends GOAWAY only after Accept has returned.
type listener struct {
	net.Listener
	s       *server
	closing chan struct{} // closed by Close
	once    sync.Once
	failure atomic.Pointer[error] // the error of Accept with which grpc has stopped to serve
}

type accepted struct {
	c   net.Conn
	err error
}

func (l *listener) Accept() (net.Conn, error) {
	next := make(chan accepted, 1)
	go func() {
		c, err := l.Listener.Accept()
		next <- accepted{c, err}
	}()
	select {
	case a := <-next:
		if a.err != nil {
			return nil, l.fail(a.err)
		}
		return l.s.follow(a.c), nil
	case <-l.closing:
		go func() {
			if a := <-next; a.err == nil {
				_ = a.c.Close() // grpc does not serve it any more either
			}
		}()
		return nil, net.ErrClosed
	}
}

// fail records an error of Accept after which grpc does not call it again.
func (l *listener) fail(err error) error {
	if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() {
		select {
		case <-l.closing:
		default:
			l.failure.CompareAndSwap(nil, &err)
		}
	}
	return err
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closing)
		switch l.Listener.(type) {
		case *net.TCPListener, *net.UnixListener: // their Close does not block, and frees the port at once
			_ = l.Listener.Close()
		default:
			go l.Listener.Close()
		}
	})
	return nil
}

// The states of a connection.
const (
	fresh       int32 = iota // accepted
	handshaking              // grpc waits for TLS, or for the client's preface, with a time limit
	ready                    // it has had its handshake
)

// A conn records whether a connection has completed its handshake, and its Close. grpc limits the
// time of the handshake with a deadline, and removes that when the handshake is completed. This is
// the only sign of it below TLS, and for a server that NewServer has not made. If a later grpc set
// no deadline, no connection would be handshaking, and the drain would close none before its own
// deadline.
type conn struct {
	net.Conn
	s      *server
	state  atomic.Int32
	failed atomic.Bool // grpc does not read any more

	// These fields are guarded by the server's mutex.
	lingers bool // grpc has closed it
	unsent  unsent.Watch
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.failed.Store(true)
	}
	return n, err
}

func (c *conn) SetDeadline(t time.Time) error {
	if t.IsZero() {
		c.state.Store(ready)
	} else {
		c.state.CompareAndSwap(fresh, handshaking)
	}
	return c.Conn.SetDeadline(t)
}

// Close closes the connection, or leaves that to the drain if the kernel still has the end of a response.
// grpc calls it a second after the last RPC, and reads until the connection is closed.
func (c *conn) Close() error {
	lingers := c.s.task.Err() != nil && c.state.Load() == ready && !c.failed.Load() && unsent.Bytes(c.Conn) > 0
	c.s.mu.Lock()
	lingers = lingers && !c.s.cut
	c.lingers = lingers
	c.s.mu.Unlock()
	if lingers {
		return nil
	}
	return c.end()
}

func (c *conn) end() error {
	c.s.mu.Lock()
	delete(c.s.conns, c)
	c.s.mu.Unlock()
	return c.Conn.Close()
}

// endSent closes the connections that grpc has closed, and whose clients have the end of the response or
// do not take it.
func (s *server) endSent(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.lingers && (c.failed.Load() || !c.unsent.Sends(c.Conn, now, never)) {
			go c.end()
		}
	}
}

// NetConn returns the wrapped connection, as the method of tls.Conn does.
func (c *conn) NetConn() net.Conn { return c.Conn }

// A rawConn also has the SyscallConn of the inner connection, which channelz and credentials use.
type rawConn struct {
	*conn
	syscall.Conn
}

// follow records a connection until it is closed.
func (s *server) follow(inner net.Conn) net.Conn {
	c := &conn{Conn: inner, s: s}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	if raw, ok := inner.(syscall.Conn); ok {
		return &rawConn{c, raw}
	}
	return c
}

// closeConns closes the connections in one of the states. Each has a goroutine: the Close of a
// connection of the user's type, or with SetLinger, may block.
func (s *server) closeConns(states ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		for _, state := range states {
			if c.state.Load() == state {
				go c.end()
				break
			}
		}
	}
}
