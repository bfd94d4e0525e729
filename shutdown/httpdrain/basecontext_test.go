package httpdrain_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// The context of a request has the values of the server's hooks and of the task's context.
func TestRequestContext(t *testing.T) {
	type key string
	got := make(chan []any, 1)
	srv := &http.Server{
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(context.Background(), key("base"), l.Addr().String())
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			_, isTCP := c.(*net.TCPConn)
			return context.WithValue(ctx, key("conn"), isTCP)
		},
	}
	srv.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		_, known := group.WorkContext(ctx).Deadline()
		got <- []any{
			ctx.Value(key("base")), ctx.Value(key("conn")), shutdown.FromContext(ctx), known,
			ctx.Value(http.ServerContextKey) == srv, httpdrain.Draining(ctx) != nil, ctx.Err(),
		}
	})
	p := run(t, time.Minute, 0, srv)
	c := p.s.dial()
	c.get("/")
	c.answer()
	want := []any{p.s.addr, true, &p.Coordinator, false, true, true, error(nil)}
	for i, g := range <-got {
		if g != want[i] {
			t.Errorf("value %d = %v, want %v", i, g, want[i])
		}
	}
}

// The user's BaseContext ends the contexts of requests, as with net/http.
func TestBaseContextEnds(t *testing.T) {
	base, cancel := context.WithCancel(context.Background())
	entered := make(chan struct{})
	s := start(t, &http.Server{
		BaseContext: func(net.Listener) context.Context { return base },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			_, _ = io.WriteString(w, r.Context().Err().Error())
		}),
	})
	c := s.dial()
	c.get("/")
	<-entered
	cancel()
	if _, body := c.answer(); body != "context canceled" {
		t.Errorf("body = %q", body)
	}
}

// runWithMainBase runs a server whose BaseContext derives from main's context. Its handler sends
// the context of each request, and waits for release or the end of that context.
func runWithMainBase(t *testing.T, base func(main context.Context) context.Context) (p *program, requests chan context.Context, release chan struct{}) {
	t.Helper()
	nop := zerolog.Nop()
	l := listen(t)
	p = &program{s: &served{t: t, addr: l.Addr().String()}, report: make(chan *shutdown.Report, 1)}
	p.Grace, p.Signals, p.Logger = time.Minute, []os.Signal{}, &nop
	requests, release = make(chan context.Context, 1), make(chan struct{})
	handler := func(_ http.ResponseWriter, r *http.Request) {
		requests <- r.Context()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	go func() {
		p.report <- p.Run(context.Background(), func(ctx context.Context) error {
			baseContext := base(ctx)
			srv := &http.Server{Handler: http.HandlerFunc(handler), BaseContext: func(net.Listener) context.Context { return baseContext }}
			var g group.Group
			g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
			return g.Run(ctx)
		})
	}()
	t.Cleanup(func() { p.Stop(nil); <-p.Done() })
	return p, requests, release
}

// It is common that BaseContext returns main's context. The request to stop ends that context, but
// not the contexts of requests.
func TestBaseContextOfMain(t *testing.T) {
	type key string
	stopped := make(chan struct{})
	p, requests, release := runWithMainBase(t, func(main context.Context) context.Context {
		context.AfterFunc(main, func() { close(stopped) })
		return context.WithValue(main, key("of"), "the user")
	})
	c := p.s.dial()
	c.get("/")
	ctx := <-requests
	if ctx.Value(key("of")) != "the user" || shutdown.FromContext(ctx) != &p.Coordinator {
		t.Errorf("values %v and %p, want the user's and the program's", ctx.Value(key("of")), shutdown.FromContext(ctx))
	}
	p.Stop(nil)
	<-stopped
	for _, known := group.WorkContext(ctx).Deadline(); !known; _, known = group.WorkContext(ctx).Deadline() {
		time.Sleep(time.Millisecond) // until the task was told to stop, too
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("the stop has ended the request: %v", err)
	}
	close(release)
	if res, _ := c.answer(); res.StatusCode != http.StatusOK {
		t.Errorf("status %d, want 200", res.StatusCode)
	}
	if r := p.ended(t); r.Err() != nil {
		t.Error(r)
	}
}

// If the user cancels a BaseContext that derives from main's context, the requests end.
func TestBaseContextOfMainEnds(t *testing.T) {
	cause := errors.New("the user's")
	var cancel context.CancelCauseFunc
	p, requests, _ := runWithMainBase(t, func(main context.Context) (base context.Context) {
		base, cancel = context.WithCancelCause(main)
		return base
	})
	c := p.s.dial()
	c.get("/")
	ctx := <-requests
	cancel(cause)
	c.answer()
	if got := context.Cause(ctx); got != cause {
		t.Errorf("cause of the request's context = %v, want %v", got, cause)
	}
}

// The work context of a request lasts until the deadline of the server's step. A work context that
// is made during the stop has that deadline.
func TestWorkContextOfRequest(t *testing.T) {
	requests := make(chan context.Context, 1)
	release := make(chan struct{})
	p := run(t, time.Minute, 0, &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- r.Context()
		<-release
	})})
	c := p.s.dial()
	c.get("/")
	request := <-requests
	ctx := group.WorkContext(request)
	p.Stop(nil)
	for _, known := group.WorkContext(request).Deadline(); !known; _, known = group.WorkContext(request).Deadline() {
		time.Sleep(time.Millisecond)
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("the work context has ended: %v", err)
	}
	close(release)
	c.answer()
	if r := p.ended(t); r.Err() != nil {
		t.Error(r)
	}
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Error("the work context outlives the task")
	}
}
