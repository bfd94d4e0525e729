package httpdrain_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// patience is how long a test waits for an event before it fails.
const patience = 30 * time.Second

// looksIntoKernel is whether the drain asks the kernel which connections wait in the accept queue and
// which have unread bytes. Other systems have no calls for that.
var looksIntoKernel = slices.Contains([]string{"linux", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly"}, runtime.GOOS)

// A served is a server that runs as a task of a group.
type served struct {
	t    *testing.T
	addr string
	mon  httpdrain.Monitor
	stop context.CancelFunc
	task *group.Task
	done chan error
}

// start serves srv on the loopback until the test ends.
func start(t *testing.T, srv *http.Server, opts ...httpdrain.Option) *served {
	t.Helper()
	return startOn(t, listen(t), srv, opts...)
}

func startOn(t *testing.T, l net.Listener, srv *http.Server, opts ...httpdrain.Option) *served {
	t.Helper()
	return startIn(t, &group.Group{Grace: patience}, l, srv, opts...)
}

func startIn(t *testing.T, g *group.Group, l net.Listener, srv *http.Server, opts ...httpdrain.Option) *served {
	t.Helper()
	if srv.ErrorLog == nil {
		srv.ErrorLog = log.New(io.Discard, "", 0)
	}
	s := &served{t: t, addr: l.Addr().String(), done: make(chan error, 1)}
	opts = append([]httpdrain.Option{httpdrain.Listener(l), httpdrain.Watch(&s.mon)}, opts...)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.task = g.Go("http", httpdrain.Serve(srv, opts...))
	go func() { s.done <- g.Run(ctx) }()
	t.Cleanup(func() { stop(); s.result() })
	return s
}

// deadlineGrace is the grace period of tests in which the deadline passes. The task then has 250 ms to
// return.
const deadlineGrace = 5 * time.Second

// atDeadline calls f, which stops a server and returns the error of its task. If the task was abandoned,
// since the machine was too busy for it to return in time, f is called again, at most twice.
func atDeadline(f func() error) (err error) {
	for range 3 {
		if err = f(); !errors.As(err, new(*group.StuckError)) {
			break
		}
	}
	return err
}

// startAndRequest starts a server with deadlineGrace and sends it a request. The response is not read.
func startAndRequest(t *testing.T, overHTTP2 bool, handler http.HandlerFunc) *served {
	t.Helper()
	s := startIn(t, &group.Group{Grace: deadlineGrace}, listen(t), &http.Server{Protocols: protocols(http1, h2c), Handler: handler})
	if !overHTTP2 {
		s.dial().get("/")
		return s
	}
	res, err := newClient(t, protocols(h2c)).Get(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return s
}

// result waits for the end of the group, and returns its error.
func (s *served) result() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- err
		return err
	case <-time.After(patience):
		s.t.Fatalf("the task has not returned; %+v", s.mon.Stats())
		return nil
	}
}

// drained stops the server, and expects that its task returns nil.
func (s *served) drained() (took time.Duration) {
	s.t.Helper()
	began := time.Now()
	s.stop()
	if err := s.result(); err != nil {
		s.t.Errorf("the task's error = %v", err)
	}
	return time.Since(began)
}

func (s *served) url(path string) string { return "http://" + s.addr + path }

// until waits until ok is true of the server's Stats.
func (s *served) until(what string, ok func(httpdrain.Stats) bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(s.mon.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited for %s; %+v", what, s.mon.Stats())
		}
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A client is a kept-alive HTTP/1.1 connection that the test reads and writes itself.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, network, addr string) *client {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return talk(t, c)
}

func talk(t *testing.T, c net.Conn) *client {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

func (s *served) dial() *client { s.t.Helper(); return dial(s.t, "tcp", s.addr) }

func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *client) get(path string) {
	c.t.Helper()
	c.send("GET "+path+" HTTP/1.1", "Host: test", "", "")
}

// answer reads a response with its body.
func (c *client) answer() (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("response: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("body: %v", err)
	}
	return res, string(body)
}

// closed expects the end of the connection, with no byte before it.
func (c *client) closed() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience)) // it may have been dialed long ago
	if b, err := io.ReadAll(c.r); len(b) > 0 || isTimeout(err) {
		c.t.Errorf("read %q, %v, want the connection closed", b, err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// A gate holds handlers until it is opened.
type gate struct {
	entered  chan struct{}
	draining chan (<-chan struct{}) // the channel Draining of each request
	once     sync.Once
	open     chan struct{}
}

func newGate(t *testing.T) *gate {
	g := &gate{make(chan struct{}, 1000), make(chan (<-chan struct{}), 1000), sync.Once{}, make(chan struct{})}
	t.Cleanup(g.release)
	return g
}

// releaseAfter opens the gate when the server has been told to stop.
func (g *gate) releaseAfter(stop func()) {
	stop()
	<-<-g.draining
	g.release()
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func (g *gate) wait(t *testing.T) {
	t.Helper()
	select {
	case <-g.entered:
	case <-time.After(patience):
		t.Fatal("the handler was not called")
	}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.draining <- httpdrain.Draining(r.Context())
	g.entered <- struct{}{}
	<-g.open
	_, _ = io.WriteString(w, "held")
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "hello")
})

// certificate is for 127.0.0.1.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate()}} }

func clientTLS(protos ...string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(certificate().Leaf)
	return &tls.Config{RootCAs: pool, NextProtos: protos, ServerName: "127.0.0.1"}
}

// protocols is a set of HTTP versions.
func protocols(set ...func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	for _, f := range set {
		f(p, true)
	}
	return p
}

var (
	http1 = (*http.Protocols).SetHTTP1
	http2 = (*http.Protocols).SetHTTP2
	h2c   = (*http.Protocols).SetUnencryptedHTTP2
)

// newClient returns an http.Client whose connections are closed when the test ends.
func newClient(t testing.TB, p *http.Protocols) *http.Client {
	tr := &http.Transport{TLSClientConfig: clientTLS(), Protocols: p, MaxIdleConnsPerHost: 100}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}
