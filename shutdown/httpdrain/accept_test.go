package httpdrain_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/emulated"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// Connections in the kernel's accept queue are served before the listener is closed.
func TestAcceptQueueIsServed(t *testing.T) {
	if !looksIntoKernel {
		t.Skip("not on this platform: no call takes a connection from the queue without waiting")
	}
	const n = 50
	tl := listen(t)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = dial(t, "tcp", tl.Addr().String())
		clients[i].get("/")
	}
	// The context has ended before the first Accept, so all connections are in the queue.
	srv := &http.Server{Handler: hello}
	var g group.Group
	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(tl)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	result := make(chan error, 1)
	go func() { result <- g.Run(ctx) }()
	for _, c := range clients {
		if _, body := c.answer(); body != "hello" {
			t.Errorf("body = %q", body)
		}
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestUnixSocket(t *testing.T) {
	emulated.SkipUnder(t, "wine", "it has no Unix sockets")
	dir, err := os.MkdirTemp("", "drain") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t)
	s := startOn(t, l, &http.Server{Handler: g})
	c := dial(t, "unix", path)
	c.get("/")
	g.wait(t)
	silent := dial(t, "unix", path)
	g.releaseAfter(s.stop)
	if res, body := c.answer(); body != "held" || !res.Close {
		t.Errorf("body = %q, close = %v", body, res.Close)
	}
	s.drained()
	silent.closed()
	if exists(path) {
		t.Error("the socket file still exists")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Without Wrap, a ConnContext that blocks holds up the goroutine that accepts. The connections behind it
// are closed at the deadline, and the error counts them.
func TestAcceptQueueAtTheDeadline(t *testing.T) {
	if !looksIntoKernel {
		t.Skip("not on this platform: no call takes a connection from the queue without waiting")
	}
	const n = 3
	l, accepted, release := listen(t), make(chan struct{}), make(chan struct{})
	srv := &http.Server{Handler: hello, ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
		close(accepted)
		<-release
		return ctx
	}}
	clients := make([]*client, 1+n)
	for i := range clients {
		clients[i] = dial(t, "tcp", l.Addr().String())
	}
	stop, served := httpdrain.Attach(srv), make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	<-accepted
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	const want = "3 connections not served, since the server has not accepted them in time"
	if err := stop(ctx); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("stop: %v, want %q in it", err, want)
	}
	close(release)
	<-served
	for _, c := range clients {
		c.closed()
	}
}
