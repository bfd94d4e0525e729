package grpcdrain_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	channelzpb "google.golang.org/grpc/channelz/grpc_channelz_v1"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// slack is how late something may be on a busy machine.
const slack = 5 * time.Second

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func client(t *testing.T, target string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// certificate is for 127.0.0.1.
func certificate(t *testing.T) (server, roots *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

func TestBadInput(t *testing.T) {
	defer goleak.VerifyNone(t)
	taken := listen(t, "tcp", "127.0.0.1:0")
	defer taken.Close()
	served := grpcdrain.NewServer()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := grpcdrain.Serve(served, grpcdrain.Addr("127.0.0.1:0"))(ctx); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		srv  *grpc.Server
		opts []grpcdrain.Option
		want string
	}{
		"a nil server":                 {nil, []grpcdrain.Option{grpcdrain.Addr(":0")}, "Serve was given a nil server"},
		"neither address nor listener": {grpcdrain.NewServer(), nil, "neither Addr nor Listener is given; give one of them"},
		"both": {
			grpc.NewServer(),
			[]grpcdrain.Option{grpcdrain.Addr(":0"), grpcdrain.Listener(listen(t, "tcp", "127.0.0.1:0"))},
			"both Addr and Listener are given; give one of them",
		},
		"an empty address": {grpc.NewServer(), []grpcdrain.Option{grpcdrain.Addr("")}, `the address given to Addr is empty; ":0" is any free port`},
		"a port in use":    {grpc.NewServer(), []grpcdrain.Option{grpcdrain.Addr(taken.Addr().String())}, "listen tcp " + taken.Addr().String() + ": "},
		"a server that was served": {
			served,
			[]grpcdrain.Option{grpcdrain.Addr("127.0.0.1:0")},
			"another task serves this server, or has served it; each task needs a server of its own, made in the task if that is called again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var g group.Group
			g.Go("grpc", grpcdrain.Serve(tc.srv, tc.opts...))
			err := g.Run(t.Context())
			if want := "grpcdrain: " + tc.want; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want %s", err, want)
			}
		})
	}
	for name, srv := range map[string]*grpc.Server{"a nil server": nil, "a server that was served": served} {
		t.Run(name+" closes the listener", func(t *testing.T) {
			l := listen(t, "tcp", "127.0.0.1:0")
			if grpcdrain.Serve(srv, grpcdrain.Listener(l))(t.Context()) == nil {
				t.Error("no error")
			}
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the listener was open; Close() = %v", err)
			}
		})
	}
	t.Run("a task that could not listen may run again", func(t *testing.T) {
		task := grpcdrain.Serve(grpc.NewServer(), grpcdrain.Addr(taken.Addr().String()))
		if task(t.Context()) == nil {
			t.Error("a port in use was no error")
		}
		taken.Close()
		if err := task(ctx); err != nil {
			t.Error(err)
		}
	})
	for name, f := range map[string]func(){
		"Listener": func() { grpcdrain.Listener(nil) },
		"Health":   func() { grpcdrain.Health(nil) },
		"Spread":   func() { grpcdrain.Spread(-1) },
	} {
		t.Run(name+" panics", func(t *testing.T) {
			defer func() {
				text, _ := recover().(string)
				if !strings.HasPrefix(text, "grpcdrain: "+name) || !strings.Contains(text, "net_test.go:") {
					t.Errorf("panic: %v", text)
				}
			}()
			f()
		})
	}
}

// On sockets of the system the drain works as in memory: over TCP and Unix sockets, with and
// without TLS, and with options of the server that change its connections or goroutines.
func TestSockets(t *testing.T) {
	serverTLS, clientTLS := certificate(t)
	for name, tc := range map[string]struct {
		network string
		opts    []grpc.ServerOption
		client  credentials.TransportCredentials
		raw     string // what a client sends that never completes its handshake
	}{
		"TCP":         {"tcp", nil, insecure.NewCredentials(), ""},
		"Unix socket": {"unix", nil, insecure.NewCredentials(), ""},
		"TLS": {
			"tcp",
			[]grpc.ServerOption{grpc.Creds(credentials.NewTLS(serverTLS))},
			credentials.NewTLS(clientTLS),
			"\x16\x03\x01\x02\x00\x01", // part of a ClientHello
		},
		"keepalive": {"tcp", []grpc.ServerOption{
			grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: time.Minute, MaxConnectionAge: time.Minute, Time: time.Second, Timeout: time.Second}),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		}, insecure.NewCredentials(), ""},
		"workers": {"tcp", []grpc.ServerOption{grpc.NumStreamWorkers(2), grpc.WaitForHandlers(true)}, insecure.NewCredentials(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t) })
			address := "127.0.0.1:0"
			if tc.network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			l := listen(t, tc.network, address)
			entered := make(chan struct{})
			srv := serve(&echo{unary: func(ctx context.Context, text string) (string, error) {
				close(entered)
				<-grpcdrain.Draining(ctx)
				time.Sleep(10 * time.Millisecond)
				return text, ctx.Err()
			}}, tc.opts...)
			channelz.RegisterChannelzServiceToServer(srv)
			p := startOn(t, &shutdown.Coordinator{Grace: time.Minute}, l, func(context.Context) (net.Conn, error) {
				return net.Dial(tc.network, l.Addr().String())
			}, srv)
			silent, err := p.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			if _, err := io.WriteString(silent, tc.raw); err != nil {
				t.Fatal(err)
			}
			target := l.Addr().String()
			if tc.network == "unix" {
				target = "unix:" + target
			}
			cc := client(t, target, tc.client)
			sockets, err := channelzpb.NewChannelzClient(cc).GetServers(t.Context(), &channelzpb.GetServersRequest{})
			if !strings.Contains(sockets.String(), l.Addr().String()) { // it has all servers of the process
				t.Errorf("channelz does not know %s: %v, %v", l.Addr(), sockets, err)
			}
			answered := make(chan error, 1)
			go func() {
				_, err := call(context.Background(), cc, "hello")
				answered <- err
			}()
			<-entered
			r, took := p.ended()
			if err := r.Err(); err != nil || took > 250*time.Millisecond+slack {
				t.Errorf("after %v: %v", took, err)
			}
			t.Logf("ended after %v", took)
			if err := <-answered; err != nil {
				t.Error(err)
			}
		})
	}
}

// A grpc.Server may be the handler of an http.Server, which httpdrain serves. Then httpdrain drains
// the RPCs, as requests over HTTP/2, and Draining is that of httpdrain.
func TestServeHTTPBehindHTTPDrain(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	l := listen(t, "tcp", "127.0.0.1:0")
	nop := zerolog.Nop()
	c := shutdown.Coordinator{Logger: &nop, Signals: []os.Signal{}}
	srv := serve(&echo{stream: func(s grpc.ServerStream) error {
		if shutdown.FromContext(s.Context()) != &c {
			t.Error("FromContext returned another Coordinator")
		}
		if err := s.SendMsg(wrapperspb.String("begun")); err != nil {
			return err
		}
		<-grpcdrain.Draining(s.Context())
		return s.SendMsg(wrapperspb.String("bye"))
	}})
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	over := make(chan *shutdown.Report)
	go func() {
		over <- c.Run(context.Background(), httpdrain.Serve(&http.Server{Handler: srv, Protocols: &h2c}, httpdrain.Listener(l)))
	}()
	s, err := client(t, l.Addr().String(), insecure.NewCredentials()).NewStream(t.Context(), &echoService.Streams[0], streamMethod)
	if err != nil {
		t.Fatal(err)
	}
	receive := func() (string, error) {
		m := new(wrapperspb.StringValue)
		err := s.RecvMsg(m)
		return m.Value, err
	}
	if text, err := receive(); text != "begun" {
		t.Errorf("received %q, %v", text, err)
	}
	c.Stop(nil)
	if text, err := receive(); text != "bye" {
		t.Errorf("received %q, %v", text, err)
	}
	if _, err := receive(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
	if r := <-over; r.Err() != nil {
		t.Error(r.Err())
	}
}

// A stop at any moment of the start ends the task without an error.
func TestStopDuringStart(t *testing.T) {
	defer goleak.VerifyNone(t)
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- grpcdrain.Serve(serve(new(echo)), grpcdrain.Addr("127.0.0.1:0"))(ctx) }()
		for range i {
			runtime.Gosched()
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// A server that nobody uses any more is collected, although the package has a record of it.
func TestServersAreCollected(t *testing.T) {
	const n = 20
	var collected atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range n {
		srv := serve(new(echo))
		runtime.AddCleanup(srv, func(int) { collected.Add(1) }, 0)
		if err := grpcdrain.Serve(srv, grpcdrain.Addr("127.0.0.1:0"))(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Minute); collected.Load() < n/2; time.Sleep(time.Millisecond) {
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("%d of %d servers were collected", collected.Load(), n)
		}
	}
}
