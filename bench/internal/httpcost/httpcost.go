// Package httpcost measures the time of a request with net/http and with httpdrain, and the time from
// the last response to the end of the drain.
package httpcost

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

var quiet = log.New(io.Discard, "", 0)

// Serve serves on l until stop is called, with httpdrain or with net/http alone. Every
// response is 204.
func Serve(l net.Listener, drained bool) (stop func() error) {
	srv := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})}
	result := make(chan error, 1)
	if !drained {
		go func() { result <- srv.Serve(l) }()
		return func() error {
			_ = srv.Close()
			if err := <-result; !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var g group.Group
	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Linger(0)))
	go func() { result <- g.Run(ctx) }()
	return func() error { cancel(); return <-result }
}

const request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"

// OnLoopback returns a listener and two functions. The first sends n requests, always on the same
// connection. The second closes the connection.
func OnLoopback() (l net.Listener, requests func(n int) error, hangUp func(), err error) {
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, nil, nil, err
	}
	c, err := net.Dial("tcp", l.Addr().String()) // the kernel accepts it before the server does
	if err != nil {
		_ = l.Close()
		return nil, nil, nil, err
	}
	r := bufio.NewReader(c)
	requests = func(n int) error {
		for range n {
			if _, err := io.WriteString(c, request); err != nil {
				return err
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				return err
			}
			_ = res.Body.Close()
		}
		return nil
	}
	return l, requests, func() { _ = c.Close() }, nil
}

// Protocols are the protocols of Lag.
var Protocols = []string{"HTTP/1.1", "HTTP/2, TLS", "HTTP/2, h2c"}

// Lag is the time from the last response that a client has read to the return of httpdrain's
// task or of http.Server.Shutdown. When the stop begins, the request still needs 100 ms.
func Lag(protocol string, drained bool) (time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	begun := make(chan struct{})
	srv := &http.Server{ErrorLog: quiet, Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond))
	})}
	url, client := "http://"+l.Addr().String(), &http.Transport{Protocols: srv.Protocols}
	defer client.CloseIdleConnections()
	serve := srv.Serve
	switch protocol {
	case "HTTP/1.1":
		srv.Protocols.SetHTTP1(true)
	case "HTTP/2, h2c":
		srv.Protocols.SetUnencryptedHTTP2(true)
	default:
		srv.Protocols.SetHTTP2(true)
		pair, err := certificate()
		if err != nil {
			return 0, err
		}
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		url, client.TLSClientConfig = "https://"+l.Addr().String(), &tls.Config{InsecureSkipVerify: true}
		serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		if drained {
			var g group.Group
			g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
			result <- g.Run(ctx)
			return
		}
		go func() { _ = serve(l) }()
		<-ctx.Done()
		result <- srv.Shutdown(context.Background()) //lastcall:ignore unbounded the one request has ended
	}()
	go func() { <-begun; cancel() }()
	res, err := (&http.Client{Transport: client}).Get(url)
	if err != nil {
		cancel()
		return 0, errors.Join(err, <-result)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	last := time.Now()
	err = <-result
	return time.Since(last), err
}

// certificate makes a certificate, which no client can verify.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(crand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
