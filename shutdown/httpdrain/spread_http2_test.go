package httpdrain_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// An http2Client is an HTTP/2 connection that records when it receives GOAWAY.
type http2Client struct {
	http.Client
	stop   *time.Time
	goaway chan time.Duration // from the stop
	closed chan time.Duration // when the server closes the connection, likewise
	stays  bool               // after GOAWAY it does not close its connection
}

// dialHTTP2 makes a client, and a connection by a first request.
func (s *spreader) dialHTTP2() *http2Client {
	c := &http2Client{stop: &s.stop, goaway: make(chan time.Duration, 1), closed: make(chan time.Duration, 1)}
	tr := &http.Transport{Protocols: protocols(h2c), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := s.l.DialContext(ctx, "", "")
		if err != nil {
			return nil, err
		}
		return &frameReader{Conn: conn, c: c}, nil
	}}
	s.t.Cleanup(tr.CloseIdleConnections)
	c.Transport = tr
	s.get(c, "/")
	return c
}

func (s *spreader) get(c *http2Client, path string) (body string) {
	s.t.Helper()
	res, err := c.Get("http://server" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.ProtoMajor != 2 {
		s.t.Errorf("%s: %v, %v", path, res.Proto, err)
	}
	return string(b)
}

// A frameReader reads the headers of HTTP/2 frames as they pass.
type frameReader struct {
	net.Conn
	c      *http2Client
	once   sync.Once // for GOAWAY
	end    sync.Once // for the end
	header []byte
	skip   int // bytes of the frame's payload
}

func (r *frameReader) Close() error {
	if r.c.stays {
		return nil
	}
	return r.Conn.Close()
}

func (r *frameReader) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if err == io.EOF {
		r.end.Do(func() { r.c.closed <- time.Since(*r.c.stop) })
	}
	for rest := b[:n]; len(rest) > 0; {
		if r.skip > 0 {
			k := min(r.skip, len(rest))
			r.skip, rest = r.skip-k, rest[k:]
			continue
		}
		k := min(9-len(r.header), len(rest))
		r.header, rest = append(r.header, rest[:k]...), rest[k:]
		if len(r.header) == 9 {
			if goaway := byte(7); r.header[3] == goaway {
				r.once.Do(func() { r.c.goaway <- time.Since(*r.c.stop) })
			}
			r.skip = int(binary.BigEndian.Uint32(r.header) >> 8)
			r.header = nil
		}
	}
	return n, err
}

func TestSpreadSendsGOAWAY(t *testing.T) {
	const n = 60
	window := 5 * time.Second
	spread(t, "with the first response after the moment", &shutdown.Coordinator{}, func(s *spreader) {
		var clients []*http2Client
		for range n {
			clients = append(clients, s.dialHTTP2())
		}
		synctest.Wait()
		s.requestStop()
		var at []time.Duration
		time.Sleep(50 * time.Millisecond) // so that no request comes at the end of the window
		for range 50 {                    // each client sends a request every 100 ms
			var left []*http2Client
			for _, c := range clients {
				s.get(c, "/")
				synctest.Wait() // GOAWAY may come after the response
				select {
				case told := <-c.goaway:
					at = append(at, told)
				default:
					left = append(left, c)
				}
			}
			clients = left
			time.Sleep(100 * time.Millisecond)
		}
		for _, c := range clients { // told after their last request
			at = append(at, <-c.goaway)
		}
		evenly(t, at, n, 0, window+100*time.Millisecond)
		s.Clean()
	}, httpdrain.Spread(window))
	spread(t, "at the end of the window without a response", &shutdown.Coordinator{}, func(s *spreader) {
		var clients []*http2Client
		for range n {
			clients = append(clients, s.dialHTTP2())
		}
		synctest.Wait()
		s.requestStop()
		s.Clean()
		for _, c := range clients {
			if told := <-c.goaway; told != window {
				t.Errorf("GOAWAY after %v, want %v", told, window)
			}
		}
		s.Within(window + 250*time.Millisecond + callbacks)
	}, httpdrain.Spread(window))
	// The moments of two connections are 5 s * 0.236 and 5 s * 0.618.
	spread(t, "with a response whose header is written after the moment", &shutdown.Coordinator{}, func(s *spreader) {
		c := s.dialHTTP2()
		c.stays = true
		s.dialHTTP2() // without a response it gets GOAWAY at the end
		slow := make(chan string, 1)
		go func() { slow <- s.get(c, "/slow") }() // it takes 7 s, and does not call Draining
		time.Sleep(3500 * time.Millisecond)
		s.requestStop()
		if body := <-slow; body != "slow" {
			t.Errorf("body = %q", body)
		}
		if told := <-c.goaway; told != 3500*time.Millisecond {
			t.Errorf("GOAWAY after %v, want 3.5s", told)
		}
		if closed := <-c.closed; closed != 3750*time.Millisecond {
			t.Errorf("closed after %v, want 3.75s", closed)
		}
		s.Clean()
	}, httpdrain.Spread(window))
}

// The streams of a connection have one moment.
func TestSpreadTellsTheStreamsOfAConnectionTogether(t *testing.T) {
	spread(t, "streams", &shutdown.Coordinator{}, func(s *spreader) {
		c := s.dialHTTP2()
		ended := make(chan string, 10)
		for range cap(ended) {
			go func() { ended <- s.get(c, "/stream") }()
		}
		synctest.Wait()
		s.requestStop()
		for range cap(ended) {
			if body := <-ended; body != "goodbye" {
				t.Errorf("body = %q", body)
			}
		}
		if len(s.told) != cap(ended) || s.told[0] == 0 {
			t.Fatalf("told after %v", s.told)
		}
		for _, at := range s.told {
			if at != s.told[0] {
				t.Errorf("told after %v, want all at once", s.told)
				break
			}
		}
		s.Clean()
	}, httpdrain.Spread(5*time.Second))
}
