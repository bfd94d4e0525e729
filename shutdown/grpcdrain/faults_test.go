package grpcdrain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

// leakScan is the time that the search for goroutines left behind may add to a stop.
const leakScan = 10 * time.Millisecond

// preface is what an HTTP/2 client sends first, with empty SETTINGS.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// raw opens a connection, writes text, and reads nothing.
func (p *program) raw(text string) net.Conn {
	p.t.Helper()
	c, err := p.dial(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
	return c
}

func TestClientsThatDoNotBehave(t *testing.T) {
	for name, sends := range map[string]string{"nothing": "", "half of a preface": preface[:10], "no SETTINGS": preface[:24]} {
		bubble(t, "a connection that sends "+name+" is closed after 250 ms", func(t *testing.T) {
			p := start(t, serve(new(echo)))
			p.raw(sends)
			p.clean(250 * time.Millisecond)
		})
	}
	bubble(t, "a silent connection holds up only the GOAWAY of the others", func(t *testing.T) {
		p := start(t, serve(&echo{stream: func(s grpc.ServerStream) error {
			<-grpcdrain.Draining(s.Context())
			return nil
		}}))
		p.raw("")
		p.open(p.client())
		synctest.Wait()
		p.clean(250 * time.Millisecond)
	})
	bubble(t, "a client that never closes is closed by grpc", func(t *testing.T) {
		p := start(t, serve(new(echo)))
		p.raw(preface)
		p.clean(6 * time.Second) // 5 s for the answer to a ping, 1 s for the client's close
	})
	bubble(t, "nor does it fail the task at the deadline", func(t *testing.T) {
		p := startFor(t, &shutdown.Coordinator{Grace: 4 * time.Second}, serve(new(echo)))
		p.raw(preface)
		// The deadline is after 3.8 s; the contexts of RPCs end 190 ms before it, and half of
		// that later idle connections are closed.
		r, took := p.ended()
		if r.Err() != nil || took < 3700*time.Millisecond || took >= 3800*time.Millisecond {
			t.Errorf("after %v: %v", took, r.Err())
		}
	})
	bubble(t, "a handler that writes without end to a client that does not read", func(t *testing.T) {
		var failed error
		p := start(t, serve(&echo{stream: func(s grpc.ServerStream) error {
			for {
				if failed = s.SendMsg(wrapperspb.String(strings.Repeat("x", 1000))); failed != nil {
					return failed
				}
			}
		}}))
		p.open(p.client())
		synctest.Wait()
		r, took := p.ended()
		want := "grpcdrain: 1 RPC cut short: 1 /echo.Echo/Stream oldest 9.5s; from bufconn (1)"
		if err := r.Err(); err == nil || !strings.HasSuffix(err.Error(), want) || took != 9500*time.Millisecond {
			t.Errorf("after %v the error is\n%v, want\n%v", took, err, want)
		}
		if status.Code(failed) != codes.Unavailable && status.Code(failed) != codes.Canceled {
			t.Errorf("the handler's error is %v", failed)
		}
	})
	bubble(t, "a response that the client does not read is reported", func(t *testing.T) {
		p := start(t, serve(&echo{stream: func(s grpc.ServerStream) error {
			return s.SendMsg(wrapperspb.String(strings.Repeat("x", 1<<20)))
		}}))
		p.open(p.client())
		synctest.Wait()
		r, took := p.ended()
		want := "grpcdrain: 1 connection closed at the deadline whose client has not read its last response; from bufconn (1)"
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), want) || took < 9*time.Second || took >= 9500*time.Millisecond {
			t.Errorf("after %v the error is\n%v, want\n%v", took, err, want)
		}
	})
	bubble(t, "RemoteAddr blocks, as a listener's that reads a header first", func(t *testing.T) {
		l := bufconn.Listen(1 << 16)
		c := &shutdown.Coordinator{Grace: grace, Delay: 5 * time.Second}
		p := startOn(t, c, headers{l}, l.DialContext, serve(new(echo)))
		silent := p.raw("")
		p.Signal(syscall.SIGTERM)
		time.Sleep(time.Second)
		p.Signal(syscall.SIGTERM)
		r := p.Wait()
		if r.Err() != nil || r.Took > 1250*time.Millisecond {
			t.Errorf("after %v: %v", r.Took, r.Err())
		}
		if _, err := silent.Read(make([]byte, 1<<10)); err == nil {
			_, err = silent.Read(make([]byte, 1<<10))
			t.Errorf("the connection is open: %v", err)
		}
	})
	bubble(t, "a call of an unknown method", func(t *testing.T) {
		p := start(t, serve(new(echo)))
		cc := p.client()
		for _, method := range []string{"/echo.Echo/Other", "/Other/Other", "other"} {
			if err := cc.Invoke(t.Context(), method, wrapperspb.String(""), new(wrapperspb.StringValue)); err == nil {
				t.Errorf("%s was called", method)
			}
		}
		p.clean(0)
	})
}

// A panic in a handler ends the process, as with grpc alone. With an interceptor that recovers, the
// RPC counts as ended.
func TestPanicInHandler(t *testing.T) {
	bubble(t, "with an interceptor that recovers", func(t *testing.T) {
		p := start(t, serve(&echo{unary: func(context.Context, string) (string, error) {
			time.Sleep(time.Second)
			panic("out of range")
		}}, grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (res any, err error) {
			defer func() {
				if recover() != nil {
					err = status.Error(codes.Internal, "panic")
				}
			}()
			return h(ctx, req)
		})))
		answered := inFlight(p.client())
		p.clean(time.Second)
		if err := <-answered; status.Code(err) != codes.Internal {
			t.Errorf("the client got %v", err)
		}
	})
}

// A listener that a test controls.
type listener struct {
	net.Listener
	accept func() error  // if set, the error of Accept
	block  chan struct{} // if set, Accept and Close wait for it
}

func (l *listener) Accept() (net.Conn, error) {
	if l.accept != nil {
		if err := l.accept(); err != nil {
			return nil, err
		}
	}
	c, err := l.Listener.Accept()
	if err != nil && l.block != nil {
		<-l.block
	}
	return c, err
}

func (l *listener) Close() error {
	if l.block != nil {
		<-l.block
	}
	return l.Listener.Close()
}

// headers is a listener whose connections learn their remote address from what the client sends
// first, as those of a proxy protocol.
type headers struct{ net.Listener }

func (l headers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &headed{Conn: c}, err
}

type headed struct {
	net.Conn
	once sync.Once
}

func (c *headed) RemoteAddr() net.Addr {
	c.once.Do(func() { _, _ = c.Conn.Read(make([]byte, 1)) })
	return c.Conn.RemoteAddr()
}

type temporaryError struct{ error }

func (temporaryError) Temporary() bool { return true }

func TestListenersThatFail(t *testing.T) {
	broken := errors.New("the network is gone")
	for name, tc := range map[string]struct{ handler, want time.Duration }{
		"and the calls in flight end":    {2 * time.Second, 2 * time.Second},
		"and a call in flight goes on":   {time.Hour, 5 * time.Second},
		"and no call is in flight, ever": {0, 0},
	} {
		bubble(t, "Accept fails "+name, func(t *testing.T) {
			fail := make(chan struct{})
			var n atomic.Int32
			l := bufconn.Listen(1 << 16)
			srv := serve(&echo{unary: func(ctx context.Context, text string) (string, error) {
				select {
				case <-time.After(tc.handler):
				case <-ctx.Done():
				}
				return text, ctx.Err()
			}})
			p := startOn(t, new(shutdown.Coordinator), &listener{Listener: l, accept: func() error {
				if n.Add(1) == 1 {
					return nil
				}
				<-fail
				return broken
			}}, l.DialContext, srv)
			if tc.handler > 0 {
				inFlight(p.client())
			} else {
				p.client().Connect()
				synctest.Wait()
			}
			began := time.Now()
			close(fail)
			r := p.Wait()
			if took := time.Since(began); !errors.Is(r.Err(), broken) || took > tc.want+leakScan || took < tc.want-250*time.Millisecond {
				t.Errorf("after %v the error is %v", took, r.Err())
			}
		})
	}
	bubble(t, "a temporary error of Accept is none", func(t *testing.T) {
		var n atomic.Int32
		l := bufconn.Listen(1 << 16)
		p := startOn(t, new(shutdown.Coordinator), &listener{Listener: l, accept: func() error {
			if n.Add(1) < 5 {
				return temporaryError{broken}
			}
			return nil
		}}, l.DialContext, serve(new(echo)))
		if _, err := call(t.Context(), p.client(), "hello"); err != nil {
			t.Error(err)
		}
		p.clean(0)
	})
	bubble(t, "a stop while Accept fails", func(t *testing.T) {
		l := bufconn.Listen(1 << 16)
		p := startOn(t, new(shutdown.Coordinator), &listener{Listener: l, accept: func() error { return temporaryError{broken} }}, l.DialContext, serve(new(echo)))
		time.Sleep(time.Minute)
		p.clean(0)
	})
	bubble(t, "Accept and Close that block hold up nothing", func(t *testing.T) {
		l := bufconn.Listen(1 << 16)
		block := make(chan struct{})
		p := startOn(t, new(shutdown.Coordinator), &listener{Listener: l, block: block}, l.DialContext, serve(&echo{unary: takes(time.Second)}))
		answered := inFlight(p.client())
		p.clean(time.Second)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		close(block)
	})
}

// The user's own calls of GracefulStop and Stop end the task without an error.
func TestOwnStop(t *testing.T) {
	for name, stop := range map[string]func(*grpc.Server){"GracefulStop": (*grpc.Server).GracefulStop, "Stop": (*grpc.Server).Stop} {
		bubble(t, name+" with a silent connection", func(t *testing.T) {
			srv := serve(new(echo))
			p := start(t, srv)
			p.raw("")
			began := time.Now()
			go stop(srv)
			r := p.Wait()
			if took := time.Since(began); r.Err() != nil || took < 250*time.Millisecond || took > 250*time.Millisecond+leakScan {
				t.Errorf("after %v: %v", took, r.Err())
			}
		})
	}
	bubble(t, "GracefulStop, and then the program's stop", func(t *testing.T) {
		srv := serve(&echo{unary: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "bye", nil
		}})
		p := start(t, srv)
		answered := inFlight(p.client())
		go srv.GracefulStop()
		time.Sleep(time.Minute)
		if p.Report() != nil {
			t.Error("the program stops")
		}
		r, took := p.ended()
		if err := <-answered; !errors.Is(r.Err(), shutdown.ErrGrace) || err != nil || took < 8*time.Second || took > 9500*time.Millisecond {
			t.Errorf("after %v: %v, %v", took, r.Err(), err)
		}
	})
	for _, grace := range []time.Duration{grace, time.Second} {
		bubble(t, fmt.Sprintf("GracefulStop, and then a stop with a deaf RPC and %v", grace), func(t *testing.T) {
			release := make(chan struct{})
			srv := serve(&echo{unary: func(context.Context, string) (string, error) { <-release; return "", nil }})
			p := startFor(t, &shutdown.Coordinator{Grace: grace}, srv)
			inFlight(p.client())
			go srv.GracefulStop()
			time.Sleep(time.Minute)
			r, took := p.ended()
			if step := r.Steps[0]; step.Outcome == shutdown.OutcomeAbandoned || !strings.Contains(step.Err.Error(), "1 RPC cut short") || took >= grace {
				t.Errorf("%v after %v: %v", step.Outcome, took, step.Err)
			}
			close(release)
			synctest.Wait()
		})
	}
	bubble(t, "Stop before the task begins", func(t *testing.T) {
		srv := serve(new(echo))
		srv.Stop()
		p := start(t, srv)
		if err := p.Wait().Err(); !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("error = %v", err)
		}
	})
}
