package bad

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"example.com/unbounded/helper"
	"github.com/labstack/echo/v4"
	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/fx"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

func background(srv *http.Server) error {
	return srv.Shutdown(context.Background()) // want `unbounded: http.Server.Shutdown gets context.Background\(\), which never ends: it waits for the slowest request`
}

func todo(srv *http.Server) error {
	return srv.Shutdown(context.TODO()) // want `unbounded: http.Server.Shutdown gets context.TODO\(\)`
}

func withoutCancel(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	return srv.Shutdown(context.WithoutCancel(ctx)) // want `unbounded: http.Server.Shutdown gets context.WithoutCancel`
}

type key struct{}

func withValue(srv *http.Server) error {
	ctx := context.WithValue(context.Background(), key{}, "x")
	return srv.Shutdown(ctx) // want `unbounded: http.Server.Shutdown gets context.Background\(\)`
}

func goroutine(srv *http.Server) error {
	ctx := context.Background()
	done := make(chan struct{})
	go func() {
		defer close(done)
		sigs := make(chan os.Signal, 1)
		signal.Notify(sigs, os.Interrupt, syscall.SIGTERM)
		<-sigs
		_ = srv.Shutdown(ctx) // want `unbounded: http.Server.Shutdown gets context.Background\(\)`
	}()
	err := srv.ListenAndServe()
	<-done
	return err
}

func deferred(tp *trace.TracerProvider) {
	defer tp.Shutdown(context.Background()) // want `unbounded: trace.TracerProvider.Shutdown gets context.Background\(\), which never ends: it waits for every batch`
}

var background0 = context.Background()

func global(srv *http.Server) error {
	return srv.Shutdown(background0) // want `unbounded: http.Server.Shutdown gets context.Background\(\)`
}

func group(ctx context.Context, srv *http.Server) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(srv.ListenAndServe)
	g.Go(func() error {
		<-ctx.Done()
		return srv.Shutdown(context.Background()) // want `unbounded: http.Server.Shutdown`
	})
	return g.Wait()
}

func actor(srv *http.Server) error {
	var g run.Group
	g.Add(srv.ListenAndServe, func(error) {
		_ = srv.Shutdown(context.Background()) // want `unbounded: http.Server.Shutdown`
	})
	return g.Run()
}

func hook(lc fx.Lifecycle, srv *http.Server, gs *grpc.Server) {
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		gs.GracefulStop()                         // want `unbounded: grpc.Server.GracefulStop waits for every stream`
		return srv.Shutdown(context.Background()) // want `unbounded: http.Server.Shutdown`
	}})
}

var command = &cobra.Command{Run: func(cmd *cobra.Command, args []string) {
	e := echo.New()
	_ = e.Shutdown(context.Background()) // want `unbounded: echo.Echo.Shutdown`
}}

func methodValue(srv *http.Server) error {
	stop := srv.Shutdown
	return stop(context.Background()) // want `unbounded: http.Server.Shutdown`
}

type server struct{ *http.Server }

func embedded(s *server) error {
	return s.Shutdown(context.Background()) // want `unbounded: http.Server.Shutdown`
}

func throughHelper(srv *http.Server) error {
	return helper.Stop(context.Background(), srv) // want `unbounded: helper.Stop \(http.Server.Shutdown\) gets context.Background\(\)`
}

func throughMethod(s *helper.Server) error {
	return s.Stop(context.Background()) // want `unbounded: helper.Server.Stop \(http.Server.Shutdown\) gets context.Background\(\)`
}

func contextOfHelper(srv *http.Server) error {
	return srv.Shutdown(helper.StopContext()) // want `unbounded: http.Server.Shutdown gets context.Background\(\)`
}

func unused(ctx context.Context, gs *grpc.Server) {
	gs.GracefulStop() // want `unbounded: grpc.Server.GracefulStop`
}

func graceful(gs *grpc.Server) {
	helper.Graceful(gs) // want `unbounded: helper.Graceful \(grpc.Server.GracefulStop\) waits`
}
