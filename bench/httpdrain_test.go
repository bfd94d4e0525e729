package bench_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// BenchmarkRequest is a request of a kept-alive client, through net/http alone and through
// httpdrain. A connection in memory shows the difference, which over the loopback is lost
// in its noise; it lacks what only a TCP connection has, a look at each Read.
func BenchmarkRequest(b *testing.B) {
	for _, over := range []struct {
		name   string
		listen func(*testing.B) (net.Listener, func(n int))
	}{
		{"memory", inMemory},
		{"loopback", onLoopback},
	} {
		b.Run(over.name+"/net-http", func(b *testing.B) {
			l, requests := over.listen(b)
			srv := &http.Server{Handler: noContent}
			go srv.Serve(l)
			b.Cleanup(func() { srv.Close() })
			b.ReportAllocs()
			b.ResetTimer()
			requests(b.N)
		})
		b.Run(over.name+"/httpdrain", func(b *testing.B) {
			l, requests := over.listen(b)
			serve(b, &http.Server{Handler: noContent}, l)
			b.ReportAllocs()
			b.ResetTimer()
			requests(b.N)
		})
	}
}

var noContent = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// BenchmarkLag is the time from the last response that a client has read to the return of
// httpdrain's task, beside that of http.Server.Shutdown. The request takes some more 100 ms
// when the stop begins.
func BenchmarkLag(b *testing.B) {
	for _, over := range []struct {
		name string
		set  func(*http.Protocols, bool)
		tls  bool
	}{
		{"HTTP1", (*http.Protocols).SetHTTP1, false},
		{"HTTP2-TLS", (*http.Protocols).SetHTTP2, true},
		{"h2c", (*http.Protocols).SetUnencryptedHTTP2, false},
	} {
		for _, how := range []string{"Shutdown", "httpdrain"} {
			b.Run(over.name+"/"+how, func(b *testing.B) {
				p := new(http.Protocols)
				over.set(p, true)
				var lags []time.Duration
				for b.Loop() {
					lags = append(lags, lag(b, p, over.tls, how == "httpdrain"))
				}
				slices.Sort(lags)
				b.ReportMetric(float64(lags[len(lags)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(lags[len(lags)-1].Microseconds()), "max-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func lag(b *testing.B, p *http.Protocols, overTLS, drained bool) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	begun := make(chan struct{})
	srv := &http.Server{Protocols: p, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond))
	})}
	url, tr := "http://"+l.Addr().String(), &http.Transport{Protocols: p}
	if overTLS {
		pair := certificate(b)
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		url, tr.TLSClientConfig = "https://"+l.Addr().String(), &tls.Config{InsecureSkipVerify: true}
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		if drained {
			var g group.Group
			g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
			result <- g.Run(ctx)
			return
		}
		go func() {
			if overTLS {
				_ = srv.ServeTLS(l, "", "")
				return
			}
			_ = srv.Serve(l)
		}()
		<-ctx.Done()
		result <- srv.Shutdown(context.Background())
	}()
	go func() { <-begun; cancel() }()
	res, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	last := time.Now()
	if err := <-result; err != nil {
		b.Error(err)
	}
	return time.Since(last)
}

// certificate is a new one, which no client can verify.
func certificate(b *testing.B) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(crand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve drains srv at the end of the benchmark.
func serve(b *testing.B, srv *http.Server, l net.Listener) (stop func() error) {
	srv.ErrorLog = log.New(io.Discard, "", 0)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	var g group.Group
	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Linger(0)))
	go func() { result <- g.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-result })
	b.Cleanup(func() {
		if err := stop(); err != nil {
			b.Error(err)
		}
	})
	return stop
}

const request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"

func onLoopback(b *testing.B) (net.Listener, func(int)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l, func(n int) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for range n {
			if _, err := io.WriteString(c, request); err != nil {
				b.Fatal(err)
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				b.Fatal(err)
			}
			_ = res.Body.Close()
		}
	}
}

// inMemory has one connection, which sends n requests.
func inMemory(*testing.B) (net.Listener, func(int)) {
	l := &memory{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	return l, func(n int) {
		c := &replay{left: n, done: make(chan struct{}), closed: make(chan struct{}), abort: make(chan struct{}, 1)}
		l.conns <- c
		<-c.done
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
		close(c.done)
		<-c.closed
		return 0, net.ErrClosed
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
