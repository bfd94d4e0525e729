package httpcost

import (
	"net"
	"os"
	"sync"
	"time"
)

// InMemory is OnLoopback without a network, in the noise of which the difference between
// two servers is lost. It lacks what only a TCP connection has, a look at each Read.
func InMemory() (net.Listener, func(n int) error) {
	l := &memory{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	c := &replay{more: make(chan int), done: make(chan struct{}), closed: make(chan struct{}), abort: make(chan struct{}, 1)}
	l.conns <- c
	return l, func(n int) error {
		c.more <- n
		<-c.done
		return nil
	}
}

type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *memory) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *memory) Addr() net.Addr { return &net.TCPAddr{} }

// A replay is a client that sends its next request when it is asked for, and reads nothing.
type replay struct {
	net.Conn
	left   int
	begun  bool
	more   chan int
	done   chan struct{}
	closed chan struct{}
	once   sync.Once
	abort  chan struct{}
}

func (c *replay) Read(b []byte) (int, error) {
	if len(b) == 1 { // net/http looks for the end of the connection while the handler runs
		<-c.abort
		return 0, os.ErrDeadlineExceeded
	}
	if c.left == 0 {
		if c.begun {
			c.done <- struct{}{}
		}
		select {
		case c.left = <-c.more:
			c.begun = true
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	c.left--
	return copy(b, request), nil
}

func (c *replay) Write(b []byte) (int, error)      { return len(b), nil }
func (c *replay) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }
func (c *replay) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *replay) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *replay) SetDeadline(time.Time) error      { return nil }
func (c *replay) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline with a time in the past is how net/http ends the Read of one byte.
func (c *replay) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		c.abort <- struct{}{}
	}
	return nil
}
