package bad

import (
	"context"
	"net/http"
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

func goroutine(ctx context.Context, srv *http.Server) {
	go func() {
		<-ctx.Done()
		_ = srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+: it does not wait`
	}()
	_ = srv.ListenAndServe()
}

func timeout(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	stopCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return srv.Shutdown(stopCtx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
}

func inSelect(ctx context.Context, srv *http.Server, errs chan error) error {
	select {
	case err := <-errs:
		return err
	case <-ctx.Done():
		return srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
	}
}

func group(ctx context.Context, srv *http.Server) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(srv.ListenAndServe)
	g.Go(func() error {
		<-gctx.Done()
		return srv.Shutdown(gctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
	})
	return g.Wait()
}

func afterWait(ctx context.Context, tp *trace.TracerProvider) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return nil })
	if err := g.Wait(); err != nil {
		return err
	}
	return tp.Shutdown(gctx) // want `deadctx: trace.TracerProvider.Shutdown gets a context that is cancelled, as Wait does when it returns, at line \d+`
}

func cancelled(srv *http.Server) error {
	ctx, cancel := context.WithCancel(context.Background())
	go work(ctx)
	cancel()
	return srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is cancelled at line \d+`
}

func deferredUntilSignal(tp *trace.TracerProvider) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	defer tp.Shutdown(ctx) // want `deadctx: trace.TracerProvider.Shutdown gets a context that is done at line \d+`
	if err := setup(); err != nil {
		return err
	}
	work(ctx)
	<-ctx.Done()
	return nil
}

func deferredLiteral(ctx context.Context, tp *trace.TracerProvider) {
	defer func() {
		if err := tp.Shutdown(ctx); err != nil { // want `deadctx: trace.TracerProvider.Shutdown gets a context that is done at line \d+`
			println(err.Error())
		}
	}()
	work(ctx)
	<-ctx.Done()
}

func cancelDeferredLater(tp *trace.TracerProvider) {
	ctx, cancel := context.WithCancel(context.Background())
	defer tp.ForceFlush(ctx) // want `deadctx: trace.TracerProvider.ForceFlush gets a context that is cancelled at line \d+`
	defer cancel()
	work(ctx)
}

func afterFunc(ctx context.Context, srv *http.Server) {
	context.AfterFunc(ctx, func() {
		_ = srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done when AfterFunc starts this, at line \d+`
	})
}

func actor(ctx context.Context, srv *http.Server) error {
	var g run.Group
	ctx, cancel := context.WithCancel(ctx)
	g.Add(func() error {
		return srv.ListenAndServe()
	}, func(error) {
		cancel()
		_ = srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is cancelled at line \d+`
	})
	return g.Run()
}

func hook(lc fx.Lifecycle, ctx context.Context, srv *http.Server) {
	lc.Append(fx.Hook{OnStart: func(context.Context) error {
		go func() {
			<-ctx.Done()
			_ = srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
		}()
		return nil
	}})
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	srv := &http.Server{}
	go srv.ListenAndServe()
	<-cmd.Context().Done()
	return srv.Shutdown(cmd.Context()) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
}}

type service struct {
	ctx context.Context
	srv *http.Server
}

func (s *service) watch() {
	<-s.ctx.Done()
	_ = s.srv.Shutdown(s.ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
}

func methodValue(ctx context.Context, srv *http.Server) error {
	stop := srv.Shutdown
	<-ctx.Done()
	return stop(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
}

func helperStops(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	return helper.StopServer(ctx, srv) // want `deadctx: helper.StopServer \(http.Server.Shutdown\) gets a context that is done at line \d+`
}

func helperWaits(ctx context.Context, srv *http.Server) error {
	helper.Wait(ctx)
	return srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done, for which helper.Wait waits, at line \d+`
}

func helperDerives(ctx context.Context, srv *http.Server) error {
	named := helper.WithName(ctx, "srv")
	<-ctx.Done()
	return srv.Shutdown(named) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
}

func checked(ctx context.Context, srv *http.Server) error {
	for {
		if err := ctx.Err(); err != nil {
			return srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
		}
		work(ctx)
	}
}

type closer interface{ Close(context.Context) error }

func throughInterface(ctx context.Context, c closer) error {
	done := ctx.Done()
	<-done
	return c.Close(ctx) // want `deadctx: bad.closer.Close gets a context that is done at line \d+`
}

func reassigned(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ctx = context.WithValue(ctx, name{}, "x")
	go func() {
		<-ctx.Done()
		_ = srv.Shutdown(ctx) // want `deadctx: http.Server.Shutdown gets a context that is done at line \d+`
	}()
}

func own(ctx context.Context, s *waiting) error {
	<-ctx.Done()
	return s.Stop(ctx) // want `deadctx: bad.waiting.Stop \(Stop\) gets a context that is done at line \d+`
}

type waiting struct{ done chan struct{} }

func (w *waiting) Stop(ctx context.Context) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type name struct{}

func work(context.Context) {}
func setup() error         { return nil }
