package httpdrain

import (
	"net"
	"time"
)

// A tcpConn has all methods of a *net.TCPConn, for sendfile, splice, half-close and the socket's
// options.
type tcpConn struct {
	*net.TCPConn
	link *link
}

func (c *tcpConn) Read(b []byte) (int, error) {
	c.link.awaits(b)
	return c.link.read(c.TCPConn.Read(b))
}

func (c *tcpConn) Write(b []byte) (int, error) { return c.link.write(c.TCPConn, b) }

func (c *tcpConn) Close() error { return c.link.closing(c.TCPConn) }

func (c *tcpConn) SetReadDeadline(t time.Time) error {
	if c.link.isProbe(t) {
		return nil
	}
	return c.TCPConn.SetReadDeadline(t)
}

// NetConn returns the wrapped connection, as the method of tls.Conn does.
func (c *tcpConn) NetConn() net.Conn { return c.TCPConn }

type unixConn struct {
	*net.UnixConn
	link *link
}

func (c *unixConn) Read(b []byte) (int, error) {
	c.link.awaits(b)
	return c.link.read(c.UnixConn.Read(b))
}

func (c *unixConn) Write(b []byte) (int, error) { return c.link.write(c.UnixConn, b) }

func (c *unixConn) Close() error { return c.link.closing(c.UnixConn) }

func (c *unixConn) SetReadDeadline(t time.Time) error {
	if c.link.isProbe(t) {
		return nil
	}
	return c.UnixConn.SetReadDeadline(t)
}

// NetConn returns the wrapped connection.
func (c *unixConn) NetConn() net.Conn { return c.UnixConn }

// An otherConn wraps a connection of the user's type, in two cases: when the application hijacks
// it, and when its type is not comparable.
type otherConn struct {
	net.Conn
	link *link
}

func (c *otherConn) Read(b []byte) (int, error) { return c.link.read(c.Conn.Read(b)) }
func (c *otherConn) Close() error               { return c.link.closing(c.Conn) }

// NetConn returns the wrapped connection.
func (c *otherConn) NetConn() net.Conn { return c.Conn }
