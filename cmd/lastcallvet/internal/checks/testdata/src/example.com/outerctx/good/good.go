package good

import (
	"context"
	"net/http"
	"time"

	"example.com/outerctx/helper"
	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"go.uber.org/fx"
)

func own(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(ctx context.Context) error { return srv.Shutdown(ctx) }})
}

func derived(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(stopCtx context.Context) error {
		stopCtx, cancel := context.WithTimeout(stopCtx, time.Second)
		defer cancel()
		return srv.Shutdown(stopCtx)
	}})
}

// What is started lives longer than the start.
func onStart(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStart: func(context.Context) error {
		go watch(ctx, srv)
		return nil
	}})
}

func watch(ctx context.Context, srv *http.Server) {}

// A cancel of the outer context is how it is told.
func cancels(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithCancel(ctx)
	go watch(ctx, srv)
	shutdown.Register(func(ctx context.Context) error {
		cancel()
		return srv.Shutdown(ctx)
	})
}

// Only values are read.
func values(ctx context.Context) {
	shutdown.Register(func(context.Context) error {
		println(ctx.Value(key{}) != nil)
		return nil
	})
}

type key struct{}

func fresh(lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return srv.Shutdown(ctx)
	}})
}

// A task is not a handler.
func task(ctx context.Context, g *group.Group, srv *http.Server) {
	g.Go("http", func(task context.Context) error {
		<-task.Done()
		return srv.Shutdown(ctx)
	})
}

// An interrupt of oklog/run has no context of its own.
func actor(ctx context.Context, srv *http.Server) {
	var g run.Group
	g.Add(srv.ListenAndServe, func(error) { _ = srv.Shutdown(ctx) })
	_ = g.Run()
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	srv := &http.Server{}
	shutdown.Register(srv.Shutdown)
	return srv.Shutdown(cmd.Context())
}}

// Nobody says that its context ends with the signal.
func onShutdown(ctx context.Context, srv, admin *http.Server) {
	srv.RegisterOnShutdown(func() { _ = admin.Shutdown(ctx) })
}

func made(ctx context.Context, lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: helper.OwnStopper(ctx, srv)})
}

func method(s *helper.Server) { shutdown.Register(s.Close) }
