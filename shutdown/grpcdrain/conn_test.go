package grpcdrain_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lastcall-go/lastcall/internal/unsent"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

// The connections that a server's credentials see have SyscallConn, and NetConn for what it does
// not offer.
func TestConnections(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	seen := make(chan net.Conn, 1)
	l := listen(t, "tcp", "127.0.0.1:0")
	p := startOn(t, new(shutdown.Coordinator), l, nil, serve(new(echo), grpc.Creds(&seeing{insecure.NewCredentials(), seen})))
	if _, err := call(t.Context(), client(t, l.Addr().String(), insecure.NewCredentials()), "hello"); err != nil {
		t.Error(err)
	}
	c := <-seen
	if _, ok := c.(syscall.Conn); !ok {
		t.Errorf("a %T has no SyscallConn", c)
	}
	if inner, ok := c.(interface{ NetConn() net.Conn }); !ok {
		t.Errorf("a %T has no NetConn", c)
	} else if _, ok := inner.NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn returned a %T", inner.NetConn())
	}
	if r, _ := p.ended(); r.Err() != nil {
		t.Error(r.Err())
	}
}

type seeing struct {
	credentials.TransportCredentials
	seen chan net.Conn
}

func (s *seeing) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	s.seen <- c
	return s.TransportCredentials.ServerHandshake(c)
}

// A slow client gets the whole of its last response, which the kernel may still have when grpc closes the
// connection. The sizes differ: so does what the kernel has.
func TestLastResponseToSlowClients(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform: the kernel does not say what a client has acknowledged")
	}
	t.Cleanup(func() { goleak.VerifyNone(t) })
	entered := make(chan struct{})
	l := smallListener{Listener: listen(t, "tcp", "127.0.0.1:0")}
	p := startOn(t, &shutdown.Coordinator{Grace: time.Minute}, l, nil, serve(&echo{unary: func(ctx context.Context, size string) (string, error) {
		entered <- struct{}{}
		<-grpcdrain.Draining(ctx)
		time.Sleep(100 * time.Millisecond) // for the last GOAWAY, after which grpc closes the connection
		n, err := strconv.Atoi(size)
		return strings.Repeat("x", n), err
	}}))
	n := 0
	var calls sync.WaitGroup
	for size := 72 << 10; size <= 112<<10; size += 4 << 10 {
		n++
		c := new(slowConn)
		cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(c.dial))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cc.Close() })
		calls.Go(func() {
			text, err := call(context.Background(), cc, strconv.Itoa(size))
			switch longest := time.Duration(c.longest.Load()); {
			case len(text) == size && err == nil:
			case longest > 500*time.Millisecond:
				t.Logf("%d of %d bytes, %v; the client has read nothing for %v", len(text), size, err, longest)
			default:
				t.Errorf("%d of %d bytes, %v", len(text), size, err)
			}
		})
	}
	for range n {
		<-entered
	}
	if r, _ := p.ended(); r.Err() != nil {
		t.Error(r.Err())
	}
	calls.Wait()
}

// A connection that fails while the kernel has the end of a response is closed, although grpc reads it no
// more.
func TestConnectionFailsInDrain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform: the kernel does not say what a client has acknowledged")
	}
	t.Cleanup(func() { goleak.VerifyNone(t) })
	l := smallListener{listen(t, "tcp", "127.0.0.1:0"), make(chan net.Conn, 1)}
	entered := make(chan struct{})
	p := startOn(t, &shutdown.Coordinator{Grace: time.Minute}, l, nil, serve(&echo{unary: func(ctx context.Context, _ string) (string, error) {
		close(entered)
		<-grpcdrain.Draining(ctx)
		return strings.Repeat("x", 60<<10), nil
	}}))
	c := &slowConn{deaf: make(chan struct{})}
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(c.dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	go func() { _, _ = call(context.Background(), cc, "") }()
	<-entered
	c.isDeaf.Store(true)
	go func() {
		for server := <-l.accepted; unsent.Bytes(server) < 20<<10; time.Sleep(time.Millisecond) {
		}
		_, _ = c.Conn.Write(make([]byte, 9)) // DATA of stream 0, which is an error
	}()
	p.ended()
	_ = c.Conn.SetReadDeadline(time.Now().Add(slack))
	if _, err := io.Copy(io.Discard, c.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
	close(c.deaf)
}

// A smallListener makes the kernel hold little of a connection.
type smallListener struct {
	net.Listener
	accepted chan net.Conn
}

func (l smallListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		select {
		case l.accepted <- c:
		default:
		}
	}
	return c, err
}

// A slowConn reads little at a time.
type slowConn struct {
	net.Conn
	last    time.Time
	longest atomic.Int64 // pause between two reads

	isDeaf atomic.Bool   // it reads nothing until deaf is closed
	deaf   chan struct{} // of a connection that becomes deaf
}

func (c *slowConn) dial(ctx context.Context, address string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = raw.(*net.TCPConn).SetReadBuffer(4 << 10)
	c.Conn, c.last = raw, time.Now()
	return c, nil
}

func (c *slowConn) Read(b []byte) (int, error) {
	time.Sleep(15 * time.Millisecond)
	if c.isDeaf.Load() {
		<-c.deaf
	}
	now := time.Now()
	c.longest.Store(max(c.longest.Load(), int64(now.Sub(c.last))))
	c.last = now
	return c.Conn.Read(b[:min(len(b), 2<<10)])
}
