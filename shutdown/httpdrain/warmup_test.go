package httpdrain_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// The client is begun after the server, so it needs no second try.
func TestTheNextTaskBeginsWhenTheServerListens(t *testing.T) {
	l := listen(t)
	var g group.Group
	g.Go("http", httpdrain.Serve(&http.Server{Handler: hello}, httpdrain.Listener(l)), group.Warmup(patience))
	g.Go("client", func(context.Context) error {
		c := dial(t, "tcp", l.Addr().String())
		c.get("/")
		if _, body := c.answer(); body != "hello" {
			t.Errorf("body = %q", body)
		}
		return nil
	})
	if err := g.Run(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAServerThatFailsToListenHasNotStarted(t *testing.T) {
	l := listen(t)
	var g group.Group
	g.Go("http", httpdrain.Serve(&http.Server{Handler: hello, Addr: l.Addr().String()}), group.Warmup(patience))
	g.Go("client", func(context.Context) error { t.Error("the client is begun"); return nil })
	err := g.Run(context.Background())
	var start *group.StartError
	if err == nil || errors.As(err, &start) {
		t.Errorf("Run() = %v, want the error of the listener", err)
	}
}

// A handler runs a group whose task takes its time to start.
func TestAWarmupInARequestDoesNotCountForReady(t *testing.T) {
	g := newGate(t)
	p := run(t, patience, 0, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var tasks group.Group
		tasks.Go("task", func(ctx context.Context) error {
			g.ServeHTTP(w, r)
			return nil
		}, group.Warmup(0), group.MayFinish())
		if err := tasks.Run(r.Context()); err != nil {
			t.Error(err)
		}
	})})
	c := p.s.dial()
	c.get("/")
	g.wait(t)
	if !p.Ready() {
		t.Error("the program is not ready because of a task in a request")
	}
	g.release()
	c.answer()
	p.Stop(nil)
	if err := p.ended(t).Err(); err != nil {
		t.Error(err)
	}
}

// The contexts of requests are main's here. A handler runs a group, which has started at once.
func TestAGroupInARequestDoesNotStartMain(t *testing.T) {
	l, nop := listen(t), zerolog.Nop()
	c := shutdown.Coordinator{Warmup: patience, Signals: []os.Signal{}, Logger: &nop}
	report := c.Run(context.Background(), func(ctx context.Context) error {
		srv := &http.Server{
			BaseContext: func(net.Listener) context.Context { return ctx },
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var g group.Group
				g.Go("task", func(context.Context) error { return nil })
				if err := g.Run(r.Context()); err != nil {
					t.Error(err)
				}
			}),
		}
		stop := httpdrain.Attach(srv)
		go func() { _ = srv.Serve(l) }()
		client := dial(t, "tcp", l.Addr().String())
		client.get("/")
		client.answer()
		if c.Ready() {
			t.Error("the program is ready, and main has not called Started")
		}
		group.Started(ctx)
		if !c.Ready() {
			t.Error("the program is not ready, and main has called Started")
		}
		c.Stop(nil)
		return stop(group.WorkContext(ctx))
	})
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}
