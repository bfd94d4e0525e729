package kube_test

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/kube"
)

func TestAProgramThatStartsIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := zerolog.Nop()
		c := &shutdown.Coordinator{Warmup: 10 * s, Signals: []os.Signal{}, Logger: &logger}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(context.Background(), func(ctx context.Context) error {
				time.Sleep(2 * s)
				group.Started(ctx)
				<-ctx.Done()
				return nil
			})
		}()
		for i, want := range []string{"503 starting", "503 starting", "200 ready", "503 stopping"} {
			time.Sleep(s - 1)
			synctest.Wait()
			if i == 3 {
				c.Quiesce()
			}
			w := httptest.NewRecorder()
			kube.Handler(c).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			if got := w.Result().Status[:3] + " " + w.Body.String(); got != want+"\n" {
				t.Errorf("%d: /readyz says %q, want %q", i, got, want)
			}
			time.Sleep(time.Nanosecond)
		}
		c.Stop(nil)
		<-done
	})
}

// The start of the cache is the last, and it ends without Started.
func TestAProgramIsReadyWhenItsLastStartWasShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := zerolog.Nop()
		c := &shutdown.Coordinator{Warmup: 10 * s, Signals: []os.Signal{}, Logger: &logger}
		var g group.Group
		cache := g.Go("cache", func(ctx context.Context) error { <-ctx.Done(); return nil }, group.Warmup(0))
		g.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(context.Background(), func(ctx context.Context) error {
				group.Started(ctx)
				return g.Run(ctx)
			})
		}()
		for _, want := range []string{"503 starting\n", "200 ready\n"} {
			synctest.Wait()
			w := httptest.NewRecorder()
			kube.Handler(c).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			if got := w.Result().Status[:3] + " " + w.Body.String(); got != want {
				t.Errorf("/readyz says %q, want %q", got, want)
			}
			if err := cache.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
		c.Stop(nil)
		<-done
	})
}
