package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// handshakes is how many WebSockets are opened at the same time. The queue of a listener has 128 places
// or more.
const handshakes = 64

// A farewell tells how a WebSocket that was open has ended. Its times count from the start of the run.
type farewell struct {
	status int           // of the close frame; 0: there was none
	told   time.Duration // when the close frame arrived
	ended  time.Duration // when the connection ended
}

// told reports whether the client has got a close frame.
func (q *request) told() bool { return q.farewell != nil && q.farewell.status > 0 }

// left is when a client learns that it has to go: of a WebSocket the close frame, of others the end.
func (q *request) left() time.Duration {
	switch {
	case q.told():
		return q.farewell.told
	case q.farewell != nil:
		return q.farewell.ended
	}
	return q.end
}

// newWebSocketCaller reads until the server closes the connection, which it has to announce with a close frame.
func newWebSocketCaller(l *load) caller {
	tr := &http.Transport{TLSClientConfig: insecure(), Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(true)
	may := make(chan struct{}, handshakes)
	return caller{func(ctx context.Context, t *target, q *request) (kind, error) {
		select {
		case may <- struct{}{}:
		case <-ctx.Done():
			return otherwise, ctx.Err()
		}
		conn := &webSocketConn{transport: tr, now: l.now}
		ws, res, err := conn.open(ctx, t, q.id())
		<-may
		defer conn.end()
		if err != nil && res != nil {
			return failed, err
		}
		if err != nil {
			return kindOf(err, false), err
		}
		if t.hello != "" {
			if err := ws.Write(ctx, websocket.MessageText, []byte(strings.ReplaceAll(t.hello, idPlaceholder, q.id()))); err != nil {
				return kindOf(err, true), err
			}
		}
		l.open.Add(1)
		defer l.open.Add(-1)
		return conn.read(ctx, ws, q, l.cfg.timeout)
	}, tr.CloseIdleConnections}
}

// A webSocketConn is the connection below a WebSocket. The package websocket closes a connection as soon
// as it has read a close frame. Here it does not, so that the end by the server can be seen.
type webSocketConn struct {
	io.ReadWriteCloser // nil until the handshake has succeeded

	transport *http.Transport
	now       func() time.Duration
	last      time.Duration // when something was last read, or the end
}

// RoundTrip takes the connection out of the response to the handshake.
func (c *webSocketConn) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if rwc, ok := res.Body.(io.ReadWriteCloser); ok {
		c.ReadWriteCloser = rwc
		res.Body = c
	}
	return res, nil
}

func (c *webSocketConn) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.last = c.now()
	return n, err
}

// Close does nothing. See end.
func (c *webSocketConn) Close() error { return nil }

func (c *webSocketConn) end() {
	if c.ReadWriteCloser != nil {
		c.ReadWriteCloser.Close()
	}
}

func (c *webSocketConn) open(ctx context.Context, t *target, id string) (*websocket.Conn, *http.Response, error) {
	client := &http.Client{Transport: c, CheckRedirect: noRedirect}
	ws, res, err := websocket.Dial(ctx, t.ws, &websocket.DialOptions{HTTPClient: client, HTTPHeader: t.headers(id)})
	if err == nil {
		ws.SetReadLimit(-1)
	}
	return ws, res, err
}

// read returns when the connection has ended. After the close frame, the server has limit to end it.
func (c *webSocketConn) read(ctx context.Context, ws *websocket.Conn, q *request, limit time.Duration) (kind, error) {
	defer ws.CloseNow()
	defer context.AfterFunc(ctx, c.end)()
	var err error
	for err == nil {
		_, _, err = ws.Read(ctx)
	}
	q.farewell = &farewell{ended: c.last}
	status := websocket.CloseStatus(err)
	if status < 0 {
		return kindOf(err, true), err
	}
	q.farewell.status, q.farewell.told = int(status), c.last
	defer time.AfterFunc(limit, c.end).Stop()
	_, _ = io.Copy(io.Discard, c)
	q.farewell.ended = c.last
	return answered, nil
}

// fitWebSockets takes fewer WebSockets than -websockets if the drill may not open as many files.
func (s *session) fitWebSockets() {
	if s.load.targets[0].ws == "" {
		return
	}
	c := s.cfg
	const own = 100 // files that are no connections of the load
	others := own + len(s.load.targets)*(c.clients+c.idle+c.silent) + c.fresh + c.h2 + 2*c.streams
	limit := fileLimit()
	s.load.sockets = min(c.webSockets, max(0, limit-others))
	if n := s.load.sockets; n < c.webSockets {
		s.result.note(fmt.Sprintf("%s WebSockets, not %s: the drill may open %s files (ulimit -n)", count(n), count(c.webSockets), count(limit)))
	}
}

// awaitWebSockets waits until all WebSockets are open. If that takes longer than -timeout, the drill goes
// on with those that are.
func (s *session) awaitWebSockets(ctx context.Context) error {
	open := func() int { return int(s.load.open.Load()) }
	for began := time.Now(); open() < s.load.sockets; {
		if time.Since(began) > s.cfg.timeout {
			s.result.note(fmt.Sprintf("%s of %s WebSockets were open after %v", count(open()), count(s.load.sockets), s.cfg.timeout))
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
		if err := s.endedEarly(); err != nil {
			return err
		}
	}
	return nil
}
