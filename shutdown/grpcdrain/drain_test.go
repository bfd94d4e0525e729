package grpcdrain_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func TestDrain(t *testing.T) {
	for name, newServer := range map[string]func(...grpc.ServerOption) *grpc.Server{
		"NewServer": grpcdrain.NewServer, "grpc.NewServer": grpc.NewServer,
	} {
		bubble(t, "a call in flight is answered by a server of "+name, func(t *testing.T) {
			srv := newServer()
			srv.RegisterService(&echoService, &echo{unary: takes(3 * time.Second)})
			p := start(t, srv)
			answered := inFlight(p.client())
			p.clean(3 * time.Second)
			if err := <-answered; err != nil {
				t.Error(err)
			}
		})
	}
	bubble(t, "a client that does nothing leaves at once", func(t *testing.T) {
		p := start(t, serve(new(echo)))
		if text, err := call(t.Context(), p.client(), "hello"); text != "hello" || err != nil {
			t.Errorf("answer = %q, %v", text, err)
		}
		p.clean(0)
	})
	bubble(t, "without a client", func(t *testing.T) {
		start(t, serve(new(echo))).clean(0)
	})
	bubble(t, "in the delay calls and new connections are served", func(t *testing.T) {
		p := startFor(t, &shutdown.Coordinator{Grace: grace, Delay: 2 * time.Second}, serve(new(echo)))
		cc := p.client()
		p.Stop(nil)
		time.Sleep(time.Second)
		for _, cc := range []*grpc.ClientConn{cc, p.client()} {
			if _, err := call(t.Context(), cc, "hello"); err != nil {
				t.Error(err)
			}
		}
		if r := p.Wait(); r.Err() != nil || r.Took != 2*time.Second {
			t.Errorf("the stop took %v: %v", r.Took, r.Err())
		}
	})
	bubble(t, "outside of a group", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := grpcdrain.Serve(serve(new(echo)), grpcdrain.Addr("127.0.0.1:0"))(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestTask(t *testing.T) {
	bubble(t, "keeps the contract of a task", func(t *testing.T) {
		var p program
		shutdowntest.TestTask(t, func() func(context.Context) error {
			l := newNetwork(&p)
			return grpcdrain.Serve(serve(&echo{unary: func(ctx context.Context, text string) (string, error) {
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
				return text, ctx.Err()
			}}), grpcdrain.Listener(l))
		}, shutdowntest.InHand(func() func() error {
			cc := (&program{t: t, dial: p.dial}).client()
			answered := inFlight(cc)
			return func() error { return errors.Join(<-answered, cc.Close()) }
		}))
	})
}

// Every stream that asks Draining ends with OK.
func TestDraining(t *testing.T) {
	const streams = 1000
	untilDraining := func(s grpc.ServerStream) error {
		<-grpcdrain.Draining(s.Context())
		return nil
	}
	bubble(t, "all streams end with OK", func(t *testing.T) {
		p := start(t, serve(&echo{stream: untilDraining}))
		cc := p.client()
		opened := make([]grpc.ClientStream, streams)
		for i := range opened {
			opened[i] = p.open(cc)
		}
		synctest.Wait()
		r := p.clean(0)
		for _, s := range opened {
			if err := s.RecvMsg(new(any)); err != io.EOF {
				t.Fatalf("a stream ended with %v", err)
			}
		}
		if got, want := r.Steps[0].Status, "1000 RPCs finished"; got != want {
			t.Errorf("status = %q, want %q", got, want)
		}
	})
	bubble(t, "Spread gives each its moment", func(t *testing.T) {
		var ended [10]atomic.Int32
		var told time.Time
		p := start(t, serve(&echo{stream: func(s grpc.ServerStream) error {
			draining := grpcdrain.Draining(s.Context())
			if draining != grpcdrain.Draining(s.Context()) {
				t.Error("Draining has two channels for one stream")
			}
			<-draining
			ended[time.Since(told)/time.Second].Add(1)
			return nil
		}}), grpcdrain.Spread(5*time.Second))
		cc := p.client()
		for range streams {
			p.open(cc)
		}
		synctest.Wait()
		told = time.Now()
		r, took := p.ended()
		if r.Err() != nil || took > 5*time.Second {
			t.Errorf("the stop took %v: %v", took, r.Err())
		}
		for i := range 5 {
			if n := ended[i].Load(); n < streams/5-3 || n > streams/5+3 {
				t.Errorf("%d streams were told in second %d, want about %d", n, i, streams/5)
			}
		}
	})
	bubble(t, "Spread is at most the time that there is", func(t *testing.T) {
		p := start(t, serve(&echo{stream: untilDraining}), grpcdrain.Spread(time.Hour))
		cc := p.client()
		for range streams {
			p.open(cc)
		}
		synctest.Wait()
		r, took := p.ended()
		// The contexts end after 9.025 s.
		if r.Err() != nil || took < 7925*time.Millisecond || took > 8025*time.Millisecond {
			t.Errorf("the stop took %v: %v", took, r.Err())
		}
		if got, want := r.Steps[0].Status, "1000 RPCs finished; Spread reduced from 1h0m0s to 8s"; got != want {
			t.Errorf("status = %q, want %q", got, want)
		}
	})
	bubble(t, "Spread leaves a second before the contexts end", func(t *testing.T) {
		p := start(t, serve(&echo{stream: func(s grpc.ServerStream) error {
			<-grpcdrain.Draining(s.Context())
			time.Sleep(900 * time.Millisecond)
			return nil
		}}), grpcdrain.Spread(time.Hour))
		cc := p.client()
		for range streams {
			p.open(cc)
		}
		synctest.Wait()
		if r, took := p.ended(); r.Err() != nil {
			t.Errorf("the stop took %v: %v", took, r.Err())
		}
	})
	bubble(t, "an RPC that asks after the window ends at once", func(t *testing.T) {
		p := start(t, serve(&echo{stream: func(s grpc.ServerStream) error {
			time.Sleep(8 * time.Second)
			return untilDraining(s)
		}}), grpcdrain.Spread(5*time.Second))
		p.open(p.client())
		synctest.Wait()
		p.clean(8 * time.Second)
	})
	bubble(t, "a second signal ends the window", func(t *testing.T) {
		p := start(t, serve(&echo{stream: untilDraining}), grpcdrain.Spread(5*time.Second))
		p.open(p.client())
		synctest.Wait()
		p.Signal(syscall.SIGTERM)
		p.Signal(syscall.SIGTERM) // 250 ms later
		if r := p.Wait(); r.Err() != nil || r.Took != 250*time.Millisecond {
			t.Errorf("took %v: %v", r.Took, r.Err())
		}
	})
	t.Run("nil for other contexts", func(t *testing.T) {
		if grpcdrain.Draining(t.Context()) != nil {
			t.Error("there is a channel")
		}
	})
}

// A handler's context ends shortly before the deadline, and the answer that it then gives arrives.
func TestContextsOfRPCs(t *testing.T) {
	bubble(t, "the end before the deadline", func(t *testing.T) {
		var told time.Time
		p := start(t, serve(&echo{unary: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			// The deadline is after 9.5 s; a twentieth of that before it the contexts end.
			if took := time.Since(told); took != 9025*time.Millisecond || !errors.Is(context.Cause(ctx), shutdown.ErrGrace) {
				t.Errorf("the context ended after %v, because of %v", took, context.Cause(ctx))
			}
			return "", status.Error(codes.Unavailable, "the server stops")
		}}))
		answered := inFlight(p.client())
		told = time.Now()
		if r, took := p.ended(); took < 9025*time.Millisecond || took >= 9500*time.Millisecond || !errors.Is(r.Err(), shutdown.ErrGrace) {
			t.Errorf("took %v; error = %v, want that of an RPC that was cut short", took, r.Err())
		}
		if err := <-answered; status.Convert(err).Message() != "the server stops" {
			t.Errorf("the client got %v", err)
		}
	})
	bubble(t, "a second signal ends them", func(t *testing.T) {
		p := start(t, serve(&echo{unary: func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return context.Cause(ctx).Error(), nil
		}}))
		answered := inFlight(p.client())
		p.Signal(syscall.SIGTERM)
		p.Signal(syscall.SIGTERM)
		if r := p.Wait(); r.Err() != nil || r.Took != 250*time.Millisecond {
			t.Errorf("took %v: %v", r.Took, r.Err())
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
	bubble(t, "the values of the task", func(t *testing.T) {
		var p *program
		var worked atomic.Bool
		p = start(t, serve(&echo{unary: func(ctx context.Context, text string) (string, error) {
			if shutdown.FromContext(ctx) != p.Coordinator {
				t.Error("FromContext returned another Coordinator")
			}
			if !shutdown.Go(ctx, "late", func(ctx context.Context) error {
				time.Sleep(3 * time.Second)
				worked.Store(ctx.Err() == nil)
				return nil
			}) {
				t.Error("Go refused")
			}
			time.Sleep(time.Second)
			if group.WorkContext(ctx).Err() != nil {
				t.Error("the work context has ended")
			}
			return text, nil
		}}))
		answered := inFlight(p.client())
		p.clean(3 * time.Second)
		if err := <-answered; err != nil || !worked.Load() {
			t.Errorf("answer = %v; the work was done: %v", err, worked.Load())
		}
	})
	bubble(t, "the user's interceptors and stats handlers have it as well", func(t *testing.T) {
		var calls atomic.Int32
		check := func(ctx context.Context) {
			if grpcdrain.Draining(ctx) != nil && ctx.Err() == nil {
				calls.Add(1)
			}
		}
		p := start(t, serve(new(echo),
			grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				check(ctx)
				return h(ctx, req)
			}),
			grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
				check(s.Context())
				return h(srv, s)
			}),
			grpc.StatsHandler(statsHandler(check)),
		))
		cc := p.client()
		if _, err := call(t.Context(), cc, "hello"); err != nil {
			t.Error(err)
		}
		if err := p.open(cc).CloseSend(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := calls.Load(); n != 4 {
			t.Errorf("%d of 4 calls had the context", n)
		}
		p.clean(0)
	})
}
