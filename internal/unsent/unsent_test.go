package unsent_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/unsent"
)

const size = 64 << 10

// connect returns both ends of a connection. The kernel takes all bytes that are written to the first,
// and more than the second has space for.
func connect(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	server, client = s.(*net.TCPConn), c.(*net.TCPConn)
	_ = client.SetReadBuffer(4 << 10)
	_ = server.SetWriteBuffer(8 * size)
	if _, err := server.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func TestBytes(t *testing.T) {
	server, client := connect(t)
	if runtime.GOOS != "linux" {
		if n := unsent.Bytes(server); n != 0 {
			t.Errorf("%d bytes, want 0: it is known on Linux only", n)
		}
		return
	}
	if n := unsent.Bytes(server); n <= 0 || n >= size {
		t.Errorf("%d of %d bytes are not acknowledged, want a part of them", n, size)
	}
	if _, err := io.ReadFull(client, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); unsent.Bytes(server) != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are not acknowledged, want 0: the client has read all", unsent.Bytes(server))
		}
	}
	server.Close()
	if n := unsent.Bytes(server); n != 0 {
		t.Errorf("%d bytes of a closed connection, want 0", n)
	}
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	if n := unsent.Bytes(pipe); n != 0 {
		t.Errorf("%d bytes of a pipe, want 0", n)
	}
}

// The waits are those from the last acknowledgment, whatever time it is.
func TestWatch(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform: the kernel does not say what a client has acknowledged")
	}
	const all = 250 * time.Millisecond
	server, client := connect(t)
	var w unsent.Watch
	now := time.Now()
	looks := func(in, limit time.Duration, want bool) {
		t.Helper()
		now = now.Add(in)
		if got := w.Sends(server, now, limit); got != want {
			t.Errorf("Sends = %v, want %v, with %d bytes", got, want, unsent.Bytes(server))
		}
	}
	for n, since := -1, now; time.Since(since) < 300*time.Millisecond; time.Sleep(time.Millisecond) {
		if is := unsent.Bytes(server); is != n {
			n, since = is, time.Now()
		}
	}
	const step, part = 250 * time.Millisecond, time.Second
	looks(0, time.Hour, true)
	looks(step, time.Hour, true)
	looks(step, time.Hour, true)
	looks(step, time.Hour, true)
	looks(step-1, time.Hour, true)
	looks(0, time.Minute, true)
	looks(0, time.Millisecond, false)
	looks(1, time.Hour, false)
	looks(part, time.Hour, true) // after a stall of this process
	looks(step, time.Hour, true)
	looks(0, step, false)
	if _, err := io.ReadFull(client, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); unsent.Bytes(server) != 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	looks(time.Hour, time.Hour, true)
	looks(all-1, time.Hour, true)
	looks(1, time.Hour, false)
}
