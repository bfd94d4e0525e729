package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// conn is a client's connection with HTTP/1.1. It does not use net/http, whose client sends some
// requests a second time and does not tell on which connection.
type conn struct {
	net.Conn
	tcp    *net.TCPConn // below TLS
	r      *bufio.Reader
	req    []byte
	opened *dialled // until the first request
}

// errUnsent means that a connection had been closed before anything was written to it.
var errUnsent = errors.New("the connection was closed before the request")

func dial(ctx context.Context, t *target, timeout time.Duration) (*conn, error) {
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	if t.tls {
		cfg := insecure()
		cfg.NextProtos = []string{"http/1.1"}
		cfg.ServerName = t.host
		tc := tls.Client(c, cfg)
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := tc.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c = tc
	}
	return &conn{Conn: c, tcp: tcp, r: bufio.NewReader(c)}, nil
}

// usable reports whether an idle connection is still open. A client that does not check this loses
// requests that it need not have sent. Between the check and the request the server can still
// close the connection: no client can avoid this race.
func (c *conn) usable() bool {
	_ = c.SetReadDeadline(time.Time{})
	return c.r.Buffered() == 0 && quiet(c.tcp)
}

// exchange sends a request and reads the whole answer. last means that the server closes
// the connection after it. The error is nil if and only if k is answered or failed.
func (c *conn) exchange(p *prototype, method, id string, timeout time.Duration) (k kind, last bool, err error) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = c.SetDeadline(deadline)
	c.req = p.appendTo(c.req[:0], id)
	if n, err := c.Write(c.req); err != nil {
		if n == 0 && kindOf(err, false) == reset {
			return reset, true, errUnsent
		}
		return kindOf(err, false), true, err
	}
	if _, err := c.r.Peek(1); err != nil {
		return kindOf(err, false), true, err
	}
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return kindOf(err, true), true, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return kindOf(err, true), true, err
	}
	if res.StatusCode >= 500 {
		return failed, res.Close, nil
	}
	return answered, res.Close, nil
}
