package bad

import (
	"context"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"example.com/outerctx/helper"
	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/fx"
)

func hook(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(_ context.Context) error {
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets the context of the function around this handler.*use the context that fx.Hook.OnStop gives it`
	}})
}

func unnamed(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets the context of the function around`
	}})
}

func otherName(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(stopCtx context.Context) error {
		println(stopCtx != nil)
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets`
	}})
}

func stopHook(ctx context.Context, lc fx.Lifecycle, tp *trace.TracerProvider) {
	lc.Append(fx.StopHook(func(context.Context) error {
		return tp.Shutdown(ctx) // want `outerctx: trace.TracerProvider.Shutdown gets`
	}))
}

func registered(ctx context.Context, srv *http.Server) {
	shutdown.Register(func(_ context.Context) error {
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets.*use the context that shutdown.Register gives it`
	})
}

func onCoordinator(ctx context.Context, c *shutdown.Coordinator, srv *http.Server) {
	c.Register(func(context.Context) error {
		stop, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return srv.Shutdown(stop) // want `outerctx: http.Server.Shutdown gets`
	})
}

func interrupt(ctx context.Context, g *group.Group, srv *http.Server) {
	g.Add("http", func(context.Context) error { return srv.ListenAndServe() }, func(context.Context) error {
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets`
	})
}

func goroutine(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(stopCtx context.Context) error {
		go func() {
			_ = srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets`
		}()
		<-stopCtx.Done()
		return nil
	}})
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	srv := &http.Server{}
	ctx := cmd.Context()
	shutdown.Register(func(context.Context) error {
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets`
	})
	return srv.ListenAndServe()
}}

func variable(lc fx.Lifecycle, srv *http.Server) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	onStop := func(context.Context) error {
		return srv.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets`
	}
	lc.Append(fx.Hook{OnStop: onStop})
}

func onShutdown(srv, admin *http.Server) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	srv.RegisterOnShutdown(func() {
		_ = admin.Shutdown(ctx) // want `outerctx: http.Server.Shutdown gets a context that a signal ends`
	})
}

func made(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: helper.Stopper(ctx, srv)}) // want `outerctx: helper.Stopper returns a handler that gives http.Server.Shutdown the context it was made with`
}

func method(s *helper.Server) {
	shutdown.Register(s.Stop) // want `outerctx: helper.Server.Stop does not use the context that shutdown.Register gives it`
}
