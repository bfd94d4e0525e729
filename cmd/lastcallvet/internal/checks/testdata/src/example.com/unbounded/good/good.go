package good

import (
	"context"
	"net/http"
	"os"
	"time"

	"example.com/unbounded/helper"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/fx"
	"google.golang.org/grpc"
)

func timeout(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

func deadline(srv *http.Server, at time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), at)
	defer cancel()
	return srv.Shutdown(context.WithValue(ctx, key{}, 1))
}

type key struct{}

// Its caller may have a limit.
func parameter(ctx context.Context, srv *http.Server) error { return srv.Shutdown(ctx) }

// A second signal ends it.
func cancelled(srv *http.Server, sigs chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-sigs
		cancel()
	}()
	return srv.Shutdown(ctx)
}

func afterFunc(srv *http.Server) error {
	t := time.AfterFunc(time.Second, func() { _ = srv.Close() })
	defer t.Stop()
	return srv.Shutdown(context.Background())
}

func after(srv *http.Server) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Shutdown(context.Background())
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
		_ = srv.Close()
	}
}

func selected(srv *http.Server, sigs chan os.Signal) {
	done := make(chan error)
	go func() { done <- srv.Shutdown(context.Background()) }()
	select {
	case <-done:
	case <-sigs:
		os.Exit(1)
	}
}

func hook(lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStop: srv.Shutdown})
}

func field(s struct{ ctx context.Context }, srv *http.Server) error { return srv.Shutdown(s.ctx) }

func helperBounds(srv *http.Server) error {
	return helper.StopSoon(context.Background(), srv)
}

// Not a stop that waits.
func closes(srv *http.Server) error {
	start(context.Background())
	return srv.Close()
}

func start(context.Context) {}

func branches(srv *http.Server, tp *trace.TracerProvider, limit time.Duration) error {
	ctx := context.Background()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return tp.Shutdown(ctx)
}

// Stop is exported: its callers may have a limit.
func Stop(gs *grpc.Server) { gs.GracefulStop() }

type other struct{}

func (other) Shutdown(ctx context.Context) error { return nil }

func otherType(o other) error { return o.Shutdown(context.Background()) }
