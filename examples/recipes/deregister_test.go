package recipes_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A service is an instance that others find in a registry, such as that of Consul.
type service struct {
	registry interface {
		Register(ctx context.Context, id string) error
		Deregister(ctx context.Context, id string) error
	}
	serve func(context.Context) error // httpdrain.Serve of its server
}

// region deregister
func (s *service) run(ctx context.Context) error {
	if err := s.registry.Register(ctx, "orders-1"); err != nil {
		return err
	}
	c := shutdown.FromContext(ctx)
	c.Go(ctx, "registration", func(work context.Context) error {
		for {
			<-c.Stopping() // closed when the delay begins; the server goes on until it is over
			leave, cancel := context.WithTimeout(work, 5*time.Second)
			err := s.registry.Deregister(leave, "orders-1")
			cancel()
			if err != nil {
				return err
			}
			for !c.Ready() { // it is ready again if only a preStop hook was called, and no stop followed
				select {
				case <-ctx.Done(): // the delay is over
					return nil
				case <-time.After(time.Second):
				}
			}
			if err := s.registry.Register(work, "orders-1"); err != nil {
				return err
			}
		}
	})

	var g group.Group
	g.Go("http", s.serve)
	return g.Run(ctx)
}

// endregion

// The instance leaves the registry when the stop is announced. Its server answers until the
// delay is over.
func TestDeregister(t *testing.T) {
	const delay = 4 * time.Second
	for _, tt := range []struct {
		name string
		stop func(*shutdowntest.Program)
	}{
		{"a signal", func(p *shutdowntest.Program) { p.Signal(syscall.SIGTERM) }},
		{"a hook, then a signal", func(p *shutdowntest.Program) {
			p.Quiesce()
			time.AfterFunc(delay/2, func() { p.Signal(syscall.SIGTERM) })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r registry
				l := shutdowntest.Listen(t)
				answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
				s := &service{registry: &r, serve: httpdrain.Serve(&http.Server{Handler: answer}, httpdrain.Listener(l))}
				c := shutdowntest.New(t)
				c.Grace, c.Delay = 20*time.Second, delay
				p := shutdowntest.Start(t, c, s.run)
				synctest.Wait()
				if !r.registered.Load() {
					t.Fatal("not registered")
				}
				began := time.Now()
				tt.stop(p)
				time.Sleep(delay - time.Millisecond)
				res, err := l.Client().Get("http://orders/")
				if err != nil {
					t.Fatalf("at the end of the delay: %v", err)
				}
				_ = res.Body.Close()
				p.Clean()
				if r.registered.Load() || !r.left.Equal(began) {
					t.Errorf("registered: %t, left %v after the announcement, want at once", r.registered.Load(), r.left.Sub(began))
				}
			})
		})
	}
}

// An instance registers again if no stop follows the hook, and leaves when one does.
func TestRegisterAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r registry
		s := &service{registry: &r, serve: func(ctx context.Context) error { <-ctx.Done(); return nil }}
		c := shutdowntest.New(t)
		c.Grace, c.Delay = 20*time.Second, 4*time.Second
		p := shutdowntest.Start(t, c, s.run)
		for range 2 {
			synctest.Wait()
			if !r.registered.Load() {
				t.Fatal("not registered")
			}
			p.Quiesce()
			time.Sleep(10 * time.Second)
			if r.registered.Load() {
				t.Error("registered after the hook")
			}
			p.Resume()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if !r.registered.Load() {
			t.Error("not registered 1 s after Resume")
		}
		p.Signal(syscall.SIGTERM)
		p.Clean()
		if r.registered.Load() {
			t.Error("registered after the end")
		}
	})
}

// An instance that fails leaves the registry as well.
func TestDeregisterAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r registry
		s := &service{registry: &r, serve: func(context.Context) error { return errors.New("no such port") }}
		p := shutdowntest.Start(t, nil, s.run)
		if err := p.Wait().Err(); err == nil {
			t.Error("report.Err() = nil, want the error of the server")
		}
		if r.registered.Load() || r.left.IsZero() {
			t.Error("the instance is still registered")
		}
	})
}

type registry struct {
	registered atomic.Bool
	left       time.Time
}

func (r *registry) Register(context.Context, string) error {
	r.registered.Store(true)
	return nil
}

func (r *registry) Deregister(ctx context.Context, _ string) error {
	r.left = time.Now()
	r.registered.Store(false)
	return ctx.Err()
}
