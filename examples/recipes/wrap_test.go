package recipes_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/soheilhy/cmux"
	"golang.org/x/net/netutil"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// region wrap
func behindProxy(srv *http.Server) func(context.Context) error {
	return httpdrain.Serve(srv, httpdrain.Wrap(func(l net.Listener) net.Listener {
		return &proxyproto.Listener{Listener: netutil.LimitListener(l, 10_000)}
	}))
}

// endregion

// The client's address comes from the proxy.
func TestProxyProtocol(t *testing.T) {
	addr := make(chan string, 1)
	srv := &http.Server{
		Addr:        "127.0.0.1:0",
		BaseContext: func(l net.Listener) context.Context { addr <- l.Addr().String(); return context.Background() },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.RemoteAddr)
		}),
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- behindProxy(srv)(ctx) }()
	c, err := net.Dial("tcp", <-addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\nGET / HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(b), "192.0.2.1:4711") {
		t.Errorf("read %q, %v, want a body with the address of the PROXY line", b, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

var (
	trials  = flag.Int("trials", 0, "how often TestWrappedListeners stops each server while clients connect; needs a quiet machine")
	control = flag.Bool("control", false, "TestWrappedListeners gives the listeners to httpdrain.Listener, and loses requests")
)

// A wrapped is a listener that others put around a socket, and what its clients send first.
type wrapped struct {
	wrap   func(net.Listener) net.Listener
	prefix string
	client func(net.Conn) net.Conn
}

func wrappedListeners(t *testing.T) map[string]wrapped {
	cert := selfSigned(t)
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	client := &tls.Config{InsecureSkipVerify: true}
	return map[string]wrapped{
		"plain TCP": {wrap: func(l net.Listener) net.Listener { return l }},
		"go-proxyproto": {
			wrap:   func(l net.Listener) net.Listener { return &proxyproto.Listener{Listener: l} },
			prefix: "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n",
		},
		"netutil.LimitListener": {wrap: func(l net.Listener) net.Listener { return netutil.LimitListener(l, 16) }},
		"tls.NewListener": {
			wrap:   func(l net.Listener) net.Listener { return tls.NewListener(l, server) },
			client: func(c net.Conn) net.Conn { return tls.Client(c, client) },
		},
		"cmux": {wrap: func(l net.Listener) net.Listener {
			m := cmux.New(l)
			web := m.Match(cmux.HTTP1Fast())
			go func() { _ = m.Serve() }()
			return web
		}},
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve returns the task of a server on l.
func (w wrapped) serve(l net.Listener) func(context.Context) error {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") })}
	if *control {
		return httpdrain.Serve(srv, httpdrain.Listener(w.wrap(l)))
	}
	return httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Wrap(w.wrap))
}

// connect makes a connection. send sends a request, which needs the server if it does TLS. receive
// expects the response.
func (w wrapped) connect(l net.Listener) (net.Conn, error) {
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if w.client != nil {
		c = w.client(c)
	}
	return c, nil
}

func (w wrapped) send(c net.Conn) error {
	_, err := io.WriteString(c, w.prefix+"POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")
	return err
}

func receive(c net.Conn) error {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// The connections in the accept queue are served. The context has ended before the first Accept, so
// all of them are there.
func TestAcceptQueueOfWrappedListeners(t *testing.T) {
	for name, w := range wrappedListeners(t) {
		t.Run(name, func(t *testing.T) {
			attempts := 1
			if w.client != nil { // on a busy machine a TLS handshake may take longer than the drain waits
				attempts = 5
			}
			var err error
			for range attempts {
				if err = w.serveQueue(t); err == nil {
					return
				}
			}
			t.Error(err)
		})
	}
}

func (w wrapped) serveQueue(t *testing.T) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const n = 3
	results := make(chan error, n)
	for range n {
		c, err := w.connect(l)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if w.client == nil {
			if err := w.send(c); err != nil {
				t.Fatal(err)
			}
			go func() { results <- receive(c) }()
		} else {
			go func() { results <- errors.Join(w.send(c), receive(c)) }()
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var g group.Group
	g.Go("http", w.serve(l))
	all := g.Run(ctx)
	for range n {
		all = errors.Join(all, <-results)
	}
	return all
}

// Clients open connections while the server is stopped.
func TestWrappedListeners(t *testing.T) {
	for name, w := range wrappedListeners(t) {
		t.Run(name, func(t *testing.T) {
			var answered, lost, refused atomic.Int64
			for range *trials {
				w.stopUnderLoad(t, &answered, &lost, &refused)
			}
			t.Logf("%s: %d trials, %d answered, %d lost, %d refused", name, *trials, answered.Load(), lost.Load(), refused.Load())
			if n := lost.Load(); n > 0 {
				t.Errorf("%d requests lost", n)
			}
		})
	}
}

func (w wrapped) stopUnderLoad(t *testing.T, answered, lost, refused *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var g group.Group
	g.Go("http", w.serve(l))
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	enough := answered.Load() + 500
	var clients sync.WaitGroup
	for range 24 {
		clients.Go(func() {
			for {
				c, err := w.connect(l)
				if err != nil {
					refused.Add(1)
					return
				}
				if err = w.send(c); err == nil {
					err = receive(c)
				}
				if err != nil {
					t.Logf("lost: %v", err)
					lost.Add(1)
				} else {
					answered.Add(1)
				}
				c.Close()
			}
		})
	}
	for answered.Load() < enough {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	clients.Wait()
}
