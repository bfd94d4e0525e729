package grpcdrain_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
)

// serveHealth returns a server with the service echo.Echo, and with h.
func serveHealth(h *health.Server, e *echo) *grpc.Server {
	srv := serve(e)
	healthpb.RegisterHealthServer(srv, h)
	return srv
}

// expect expects these statuses of services, which the client asks for.
func expect(t *testing.T, cc *grpc.ClientConn, when string, want map[string]healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	for service, want := range want {
		res, err := healthpb.NewHealthClient(cc).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || res.GetStatus() != want {
			t.Errorf("%s: the status of %q is %v, want %v: %v", when, service, res.GetStatus(), want, err)
		}
	}
}

type statuses = map[string]healthpb.HealthCheckResponse_ServingStatus

func TestHealth(t *testing.T) {
	bubble(t, "follows the announcement and Resume", func(t *testing.T) {
		h := health.NewServer()
		h.SetServingStatus("", notServing)
		h.SetServingStatus("db", notServing)
		p := startFor(t, &shutdown.Coordinator{Grace: grace, Delay: 2 * time.Second}, serveHealth(h, new(echo)), grpcdrain.Health(h))
		cc := p.client()
		synctest.Wait()
		running := statuses{"": serving, "echo.Echo": serving, "grpc.health.v1.Health": serving, "db": notServing}
		stopping := statuses{"": notServing, "echo.Echo": notServing, "db": notServing}
		expect(t, cc, "running", running)

		p.Quiesce()
		synctest.Wait()
		h.SetServingStatus("echo.Echo", serving) // by a check of the program's own, which goes on
		expect(t, cc, "announced", stopping)
		p.Resume()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		expect(t, cc, "resumed", running)

		p.Stop(nil)
		synctest.Wait()
		expect(t, cc, "in the delay", stopping)
		if r := p.Wait(); r.Err() != nil || r.Took != 2*time.Second {
			t.Errorf("the stop took %v: %v", r.Took, r.Err())
		}
	})
	bubble(t, "more services than the health server lists", func(t *testing.T) {
		h := health.NewServer()
		for i := range 200 {
			h.SetServingStatus(string(rune('a'+i)), serving)
		}
		h.SetServingStatus("echo.Echo", notServing)
		p := startFor(t, &shutdown.Coordinator{Grace: grace, Delay: 2 * time.Second}, serveHealth(h, new(echo)), grpcdrain.Health(h))
		cc := p.client()
		synctest.Wait()
		p.Quiesce()
		synctest.Wait()
		p.Resume()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		expect(t, cc, "resumed", statuses{"": serving, "a": serving, "echo.Echo": notServing})
	})
	for name, delay := range map[string]time.Duration{"with a delay": time.Second, "without a delay": 0} {
		bubble(t, "a Watch gets the last status and holds nothing up, "+name, func(t *testing.T) {
			h := health.NewServer()
			p := startFor(t, &shutdown.Coordinator{Grace: grace, Delay: delay}, serveHealth(h, new(echo)), grpcdrain.Health(h))
			watch, err := healthpb.NewHealthClient(p.client()).Watch(t.Context(), &healthpb.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan healthpb.HealthCheckResponse_ServingStatus, 10)
			go func() {
				defer close(got)
				for {
					m, err := watch.Recv()
					if err != nil {
						return
					}
					got <- m.GetStatus()
				}
			}()
			synctest.Wait()
			p.clean(delay)
			var all []healthpb.HealthCheckResponse_ServingStatus
			for s := range got {
				all = append(all, s)
			}
			if len(all) != 2 || all[0] != serving || all[1] != notServing {
				t.Errorf("the client got %v", all)
			}
		})
	}
	bubble(t, "without the option a Watch is ended as well", func(t *testing.T) {
		p := start(t, serveHealth(health.NewServer(), new(echo)))
		watch, err := healthpb.NewHealthClient(p.client()).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		p.clean(250 * time.Millisecond)
		_, _ = watch.Recv()
		if _, err := watch.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("the Watch ended with %v", err)
		}
	})
}

// A client of the reflection service keeps its stream open. It is ended with OK.
func TestReflection(t *testing.T) {
	bubble(t, "a stream is ended", func(t *testing.T) {
		srv := serve(new(echo))
		reflection.Register(srv)
		p := start(t, srv)
		s, err := reflectionpb.NewServerReflectionClient(p.client()).ServerReflectionInfo(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
				t.Fatal(err)
			}
			m, err := s.Recv()
			if err != nil || len(m.GetListServicesResponse().GetService()) != 3 {
				t.Fatalf("got %v, %v", m, err)
			}
		}
		p.clean(0)
		if _, err := s.Recv(); err != io.EOF {
			t.Errorf("the stream ended with %v", err)
		}
	})
}

// A server of grpc.NewServer cannot end a Watch. It holds up the drain until its connection is closed.
func TestWatchOfOtherServer(t *testing.T) {
	bubble(t, "a stream of Watch", func(t *testing.T) {
		h, srv := health.NewServer(), grpc.NewServer()
		healthpb.RegisterHealthServer(srv, h)
		p := start(t, srv, grpcdrain.Health(h))
		s, err := healthpb.NewHealthClient(p.client()).Watch(context.Background(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []healthpb.HealthCheckResponse_ServingStatus{serving, notServing} {
			if want == notServing {
				p.Stop(nil)
			}
			if res, err := s.Recv(); err != nil || res.GetStatus() != want {
				t.Errorf("the status is %v, want %v: %v", res.GetStatus(), want, err)
			}
		}
		r, took := p.ended()
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "1 connection closed at the deadline") || took != grace-500*time.Millisecond {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// Without a Coordinator the statuses follow the task.
func TestHealthWithoutCoordinator(t *testing.T) {
	bubble(t, "the statuses follow the task", func(t *testing.T) {
		var p program
		h := health.NewServer()
		var g group.Group
		g.Go("grpc", grpcdrain.Serve(serveHealth(h, new(echo)), grpcdrain.Listener(newNetwork(&p)), grpcdrain.Health(h)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		p.t = t
		time.Sleep(time.Minute)
		expect(t, p.client(), "running", statuses{"": serving})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if res, err := h.Check(t.Context(), &healthpb.HealthCheckRequest{}); res.GetStatus() != notServing {
			t.Errorf("the status is %v: %v", res.GetStatus(), err)
		}
	})
}
