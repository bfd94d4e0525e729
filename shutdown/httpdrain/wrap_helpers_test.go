package httpdrain_test

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"time"
)

// A limitListener is like that of golang.org/x/net/netutil: Accept waits while n connections are
// open, and after Close it closes what it still accepts.
type limitListener struct {
	net.Listener
	sem    chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limit(l net.Listener, n int) *limitListener {
	return &limitListener{Listener: l, sem: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case <-l.closed:
		case l.sem <- struct{}{}:
			c, err := l.Listener.Accept()
			if err != nil {
				<-l.sem
				return nil, err
			}
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.sem })}, nil
		}
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c.Close()
	}
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// A prefixListener is like go-proxyproto's: the first line of each connection is not for the server.
type prefixListener struct{ net.Listener }

func (l *prefixListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &prefixConn{Conn: c, r: bufio.NewReader(c)}, nil
}

type prefixConn struct {
	net.Conn
	once sync.Once
	err  error
	r    *bufio.Reader
}

func (c *prefixConn) Read(b []byte) (int, error) {
	if c.once.Do(func() { _, c.err = c.r.ReadString('\n') }); c.err != nil {
		return 0, c.err
	}
	return c.r.Read(b)
}

// A sniffer is like cmux: it accepts on a goroutine of its own, reads the first line, and passes the
// connection on only if that says HTTP. When Accept fails, it closes what it has not passed on.
type sniffer struct {
	net.Listener
	web  chan net.Conn
	done chan struct{}
}

func sniff(l net.Listener) net.Listener {
	s := &sniffer{l, make(chan net.Conn), make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				p := &prefixConn{Conn: c, r: bufio.NewReader(c)}
				if line, err := p.r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "PROXY") {
					c.Close()
					return
				}
				time.Sleep(10 * time.Millisecond)
				p.once.Do(func() {})
				select {
				case s.web <- p:
				case <-s.done:
					c.Close()
				}
			}()
		}
	}()
	return s
}

func (s *sniffer) Accept() (net.Conn, error) {
	select {
	case c := <-s.web:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}
