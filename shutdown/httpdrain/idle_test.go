package httpdrain_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// An idle connection stays open, and its next request is answered.
func TestIdleConnectionLingers(t *testing.T) {
	for _, tt := range []struct {
		name string
		tls  bool
	}{{"plain", false}, {"TLS", true}} {
		t.Run(tt.name, func(t *testing.T) {
			srv := &http.Server{Handler: hello}
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			s := start(t, srv, httpdrain.Linger(patience))
			c := s.dial()
			if tt.tls {
				c = talk(t, tls.Client(c.conn, clientTLS("http/1.1")))
			}
			c.get("/")
			if res, _ := c.answer(); res.Close {
				t.Fatal("Connection: close before the stop")
			}
			s.stop()
			s.until("the stop", func(httpdrain.Stats) bool { return s.refuses() })
			c.get("/")
			if res, body := c.answer(); !res.Close || body != "hello" {
				t.Errorf("close = %v, body = %q, want true, hello", res.Close, body)
			}
			c.closed()
			s.drained()
		})
	}
}

func TestIdleConnectionIsClosedAfterLinger(t *testing.T) {
	const linger = 100 * time.Millisecond
	s := start(t, &http.Server{Handler: hello}, httpdrain.Linger(linger))
	c := s.dial()
	c.get("/")
	c.answer()
	s.until("idle", func(st httpdrain.Stats) bool { return st.Idle == 1 })
	if took := s.drained(); took < linger {
		t.Errorf("drained in %v, want at least %v", took, linger)
	}
	c.closed()
}

func TestLingerIsAtMostAFifthOfTheBudget(t *testing.T) {
	s := startIn(t, &group.Group{Grace: time.Second}, listen(t), &http.Server{Handler: hello}, httpdrain.Linger(patience))
	c := s.dial()
	c.get("/")
	c.answer()
	s.until("idle", func(st httpdrain.Stats) bool { return st.Idle == 1 })
	s.drained() // with a longer linger the task would be late or abandoned
	c.closed()
}

func TestSilentConnections(t *testing.T) {
	for _, tt := range []struct {
		name string
		tls  bool
		send string
	}{
		{"nothing sent", false, ""},
		{"half a header", false, "GET / HTTP/1.1\r\nHost: te"},
		{"no ClientHello", true, ""},
		{"half a ClientHello", true, "\x16\x03\x01\x02\x00\x01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := &http.Server{Handler: hello}
			if tt.tls {
				srv.TLSConfig = serverTLS()
			}
			s := start(t, srv)
			c := s.dial()
			c.send(tt.send)
			want := httpdrain.Stats{New: 1}
			if tt.send != "" {
				want = httpdrain.Stats{Active: 1}
			}
			s.until("the connection", func(st httpdrain.Stats) bool { return st == want })
			if took := s.drained(); took > patience/2 {
				t.Errorf("drained in %v", took)
			}
			c.closed()
		})
	}
}

// All silent connections are closed at the same time.
func TestThousandSilentConnections(t *testing.T) {
	s := start(t, &http.Server{Handler: hello})
	conns := make([]*client, 1000)
	for i := range conns {
		conns[i] = s.dial()
	}
	s.until("1000 connections", func(st httpdrain.Stats) bool { return st.New == len(conns) })
	s.drained()
	for _, c := range conns {
		c.closed()
	}
}
