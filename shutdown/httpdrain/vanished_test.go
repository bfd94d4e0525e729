package httpdrain_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// What a client of HTTP/2 sends that does not react to the server.
const (
	preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	fiveOnly = "\x00\x00\x06\x04\x00\x00\x00\x00\x00" + "\x00\x04\x00\x00\x00\x05" // SETTINGS: 5 bytes of a response
	getRoot  = "\x00\x00\x06\x01\x05\x00\x00\x00\x01" + "\x82\x86\x84\x41\x01x"
	ping     = "\x00\x00\x08\x06\x00\x00\x00\x00\x00" + "12345678"
)

// A response of which HTTP/2's flow control holds back the end is in flight, although its handler has
// returned. At the deadline it is cut short.
func TestLastResponseWithoutWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mon httpdrain.Monitor
		l := shutdowntest.Listen(t)
		srv := &http.Server{Protocols: protocols(h2c), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-httpdrain.Draining(r.Context())
			_, _ = io.WriteString(w, "goodbye")
		})}
		p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: grace}, httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Watch(&mon)))
		c, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() { _, _ = io.Copy(io.Discard, c) }()
		_, _ = io.WriteString(c, preface+fiveOnly+getRoot)
		synctest.Wait()
		p.Signal(syscall.SIGTERM)
		synctest.Wait()
		if st := mon.Stats(); st.Requests != 1 {
			t.Errorf("%+v, want one request in flight", st)
		}
		if err, want := p.Wait().Err(), "1 request cut short: GET /, in the middle of the response, "; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error = %v, want %q in it", err, want)
		}
		if st := mon.Stats(); st.Cut != 1 || st.Finished != 0 {
			t.Errorf("%+v, want one request that was cut short", st)
		}
	})
}

// A client that reads nothing does not hold up the drain if it waits for no response, or if the kernel
// has all of it.
func TestVanishedClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		sends   string
		overTLS bool
	}{
		{"without a request, and with answers to PING in a write", preface + settings + strings.Repeat(ping, 9000), false},
		{"the kernel has the response", preface + settings + getRoot, false},
		{"the kernel has the response, over TLS", preface + settings + getRoot, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			returned := make(chan struct{}, 1)
			srv := &http.Server{
				Protocols: protocols(h2c, http2),
				ConnContext: func(ctx context.Context, c net.Conn) context.Context {
					setWriteBuffer(c, smallBuffer)
					return ctx
				},
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = w.Write(make([]byte, 3*smallBuffer))
					returned <- struct{}{}
				}),
			}
			if tt.overTLS {
				srv.TLSConfig = serverTLS()
			}
			s := startIn(t, &group.Group{Grace: 12 * time.Second}, listen(t), srv)
			c := s.dial().conn
			_ = c.(*net.TCPConn).SetReadBuffer(smallBuffer)
			if tt.overTLS {
				c = tls.Client(c, clientTLS("h2"))
			}
			_, _ = io.WriteString(c, tt.sends)
			if strings.Contains(tt.sends, getRoot) {
				<-returned
			} else {
				seen := 0
				s.until("a write that waits for the client", func(httpdrain.Stats) bool {
					b := make([]byte, 1<<20)
					if seen++; !bytes.Contains(b[:runtime.Stack(b, true)], []byte("httpdrain.(*tcpConn).Write")) {
						seen = 0
					}
					return seen == 20
				})
			}
			s.until("an idle connection", func(st httpdrain.Stats) bool { return st.Idle == 1 })
			s.drained()
		})
	}
}

// The server's own Close closes the connections at once, also those to slow clients.
func TestCloseInDrain(t *testing.T) {
	conns, told := make(chan net.Conn, 1), make(chan struct{})
	srv := &http.Server{
		Protocols: protocols(h2c),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conns <- c
			return ctx
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-httpdrain.Draining(r.Context())
			close(told)
			<-r.Context().Done()
		}),
	}
	s := start(t, srv)
	client := s.dial().conn
	_, _ = io.WriteString(client, preface+settings+getRoot)
	conn := <-conns
	s.until("a request", func(st httpdrain.Stats) bool { return st.Requests == 1 })
	fillUp(conn)
	s.stop()
	<-told
	_ = srv.Close()
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write to the connection = %v, want that it is closed", err)
	}
}
