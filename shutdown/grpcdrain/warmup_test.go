package grpcdrain_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// The cache begins when the server listens. The program is not ready until it is filled.
func TestHealthOfAProgramThatStarts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, began, filled := health.NewServer(), make(chan struct{}), make(chan struct{})
	srv := serveHealth(h, new(echo))
	p := shutdowntest.Start(t, &shutdown.Coordinator{Warmup: time.Minute}, func(ctx context.Context) error {
		var g group.Group
		g.Go("grpc", grpcdrain.Serve(srv, grpcdrain.Listener(l), grpcdrain.Health(h)), group.Warmup(time.Minute))
		g.Go("cache", func(ctx context.Context) error {
			close(began)
			<-filled
			group.Started(ctx)
			<-ctx.Done()
			return nil
		}, group.Warmup(time.Minute))
		return g.Run(ctx)
	})
	<-began
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, cc, "the cache is being filled", statuses{"": notServing, "echo.Echo": notServing})
	close(filled)
	for {
		res, err := healthpb.NewHealthClient(cc).Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if res.GetStatus() == serving {
			break
		}
		time.Sleep(time.Millisecond)
	}
	expect(t, cc, "the program has started", statuses{"": serving, "echo.Echo": serving})
	_ = cc.Close()
	p.Stop(nil)
	if err := p.Wait().Err(); err != nil {
		t.Error(err)
	}
}

// A handler runs a group whose task takes its time to start.
func TestAWarmupInAnRPCDoesNotCountForReady(t *testing.T) {
	bubble(t, "a group in a handler", func(t *testing.T) {
		c := new(shutdown.Coordinator)
		p := startFor(t, c, serve(&echo{unary: func(ctx context.Context, text string) (string, error) {
			var g group.Group
			g.Go("task", func(context.Context) error { time.Sleep(time.Second); return nil }, group.Warmup(0), group.MayFinish())
			return text, g.Run(ctx)
		}}))
		answered := inFlight(p.client())
		synctest.Wait()
		if !c.Ready() {
			t.Error("the program is not ready because of a task in an RPC")
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
		p.clean(0)
	})
}
