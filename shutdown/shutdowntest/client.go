package shutdowntest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// client sends requests until its connection is refused.
func (l *Load) client() {
	c := &client{load: l}
	tr := &http.Transport{DialContext: c.dial, DialTLSContext: c.dialTLS, DisableCompression: true}
	defer tr.CloseIdleConnections()
	// The client does not follow redirects: that would repeat the request, as a GET.
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &http.Client{Transport: tr, Timeout: maxRequest, CheckRedirect: noRedirect}
	for pause := orElse(l.Pause, time.Millisecond); !l.quit.Load() && c.send(); {
		time.Sleep(pause/2 + rand.N(pause))
	}
}

// A client has one connection at a time.
type client struct {
	load    *Load
	http    *http.Client
	written atomic.Int64 // bytes, on all its connections
}

func (c *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.load.connect(ctx, network, address)
	return c.counted(conn, err)
}

func (c *client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.load.connect(ctx, network, address)
	if err != nil {
		return c.counted(nil, err)
	}
	cfg := new(tls.Config)
	if c.load.TLS != nil {
		cfg = c.load.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(address)
	}
	cfg.NextProtos = []string{"http/1.1"}
	secure := tls.Client(conn, cfg)
	if err = secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
	}
	return c.counted(secure, err)
}

func (l *Load) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if l.Dial != nil {
		return l.Dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// counted counts the bytes written to conn. With TLS, conn is the TLS connection: the bytes of the
// handshake do not count.
func (c *client) counted(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, &refusedError{err}
	}
	return &countedConn{conn, &c.written}, nil
}

type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// send sends one request. It returns false if the client should end.
func (c *client) send() bool {
	l := c.load
	id := fmt.Sprint(l.ids.Add(1))
	before := c.written.Load()
	// net/http does not know the type of the reader, and so cannot read the body a second time.
	req, err := http.NewRequest(http.MethodPost, l.URL, struct{ io.Reader }{strings.NewReader(id)})
	if err == nil && (req.URL.Host == "" || req.URL.Scheme != "http" && req.URL.Scheme != "https") {
		err = fmt.Errorf("%q is not the URL of a server", l.URL)
	}
	if err != nil {
		l.lose(id, err, false)
		return false
	}
	req.ContentLength = int64(len(id))
	req.Header.Set(IDHeader, id)
	err = c.do(req)
	sent := c.written.Load() > before
	var refused *refusedError
	switch {
	case err == nil:
		l.answer()
	case errors.As(err, &refused) && l.stopping.Load():
		l.refuse()
		return false
	case errors.As(err, &refused) && l.answers.Load() == 0:
		l.notYet(err)
		time.Sleep(dialPause)
	case errors.As(err, &refused):
		l.lose(id, err, false)
	case sent:
		l.lose(id, err, true)
	}
	return true // also if the connection was closed before a byte was sent: then no request is lost
}

func (c *client) do(req *http.Request) error {
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return errors.New(res.Status)
	}
	return nil
}
