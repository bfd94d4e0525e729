package good

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/deadctx/helper"
	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/fx"
	"golang.org/x/sync/errgroup"
)

func fresh(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	stopCtx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return srv.Shutdown(stopCtx)
}

func withoutCancel(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return srv.Shutdown(stopCtx)
}

// Another case of the select may have been it.
func either(ctx context.Context, srv *http.Server, sigs chan os.Signal) error {
	select {
	case <-ctx.Done():
	case <-sigs:
	}
	return srv.Shutdown(ctx)
}

// The child is done, the parent need not be.
func parent(ctx context.Context, srv *http.Server) error {
	child, cancel := context.WithCancel(ctx)
	go work(child)
	cancel()
	return srv.Shutdown(ctx)
}

func groupParent(ctx context.Context, srv *http.Server) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-gctx.Done()
		return srv.Shutdown(ctx)
	})
	return g.Wait()
}

// The context may be alive when main comes here.
func deferredAnyway(ctx context.Context, tp *trace.TracerProvider, items []string) {
	defer tp.Shutdown(ctx)
	for range items {
		if ctx.Err() != nil {
			return
		}
		work(ctx)
	}
}

// The cancel comes after the flush: deferred calls run in reverse order.
func inOrder(tp *trace.TracerProvider) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer tp.Shutdown(ctx)
	work(ctx)
}

func overwritten(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	ctx = context.Background()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

func overwrittenInLiteral(ctx context.Context, srv *http.Server) {
	defer func() {
		if ctx.Err() != nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
		}
		_ = srv.Shutdown(ctx)
	}()
	<-ctx.Done()
}

func actor(ctx context.Context, srv *http.Server) error {
	var g run.Group
	work, cancel := context.WithCancel(ctx)
	g.Add(func() error {
		<-work.Done()
		return nil
	}, func(error) {
		cancel()
		_ = srv.Shutdown(ctx)
	})
	return g.Run()
}

func hook(lc fx.Lifecycle, ctx context.Context, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(ctx context.Context) error { return srv.Shutdown(ctx) }})
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv := &http.Server{}
	go srv.ListenAndServe()
	<-ctx.Done()
	return srv.Shutdown(cmd.Context())
}}

func helperDetaches(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	return helper.StopDetached(ctx, srv)
}

func helperContext(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	stopCtx, cancel := context.WithTimeout(helper.Detach(ctx), time.Second)
	defer cancel()
	return srv.Shutdown(stopCtx)
}

func helperWaits(ctx context.Context, srv *http.Server) error {
	helper.WaitOr(ctx, time.Second)
	return srv.Shutdown(ctx)
}

// A method that does not care whether its context is done.
func notBounded(ctx context.Context, s *helper.Server) error {
	<-ctx.Done()
	return s.Shutdown(ctx)
}

func before(ctx context.Context, srv *http.Server) error {
	err := srv.Shutdown(ctx)
	<-ctx.Done()
	return err
}

func branch(ctx context.Context, srv *http.Server, wait bool) error {
	if wait {
		<-ctx.Done()
	}
	return srv.Shutdown(ctx)
}

func aliveBranch(ctx context.Context, srv *http.Server) error {
	if ctx.Err() == nil {
		return srv.Shutdown(ctx)
	}
	return nil
}

type pool struct{ ctx context.Context }

func (p *pool) renewed(srv *http.Server) error {
	<-p.ctx.Done()
	p.ctx = context.Background()
	stop, cancel := context.WithTimeout(p.ctx, time.Second)
	defer cancel()
	return srv.Shutdown(stop)
}

func eachTurn(srv *http.Server, n int) {
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = srv.Shutdown(ctx)
		cancel()
	}
}

func work(context.Context) {}

// A list: where it points to is set from itself.
type node struct {
	next *node
	stop func(context.Context) error
}

func list(ctx context.Context, n int) {
	head := &node{}
	last := head
	for range n {
		if last.next != nil {
			last = last.next
		}
		next := &node{next: head}
		last.next, last = next, next
	}
	for at := head; at != nil; at = at.next {
		if at.next.next == head {
			at = at.next
		}
		_ = at.stop(ctx)
	}
}

// A context that is made and cancelled only for the stop means that nobody wants to wait.
func atOnce(srv *http.Server) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return srv.Shutdown(ctx)
}

func atOnceInLiteral(srv *http.Server) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	go func() { _ = srv.Shutdown(ended) }()
}
