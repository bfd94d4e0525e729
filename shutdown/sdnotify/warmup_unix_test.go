//go:build unix

package sdnotify_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/sdnotify"
)

func TestReadyIsSentWhenTheProgramHasStarted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		warmup time.Duration
		main   func(c *shutdown.Coordinator) func(context.Context) error
		want   int // how often READY=1 is sent
	}{
		{"main has called Started", time.Minute, startsAndStops, 1},
		{"without Coordinator.Warmup, nothing is sent", 0, startsAndStops, 0},
		{"a stop in the middle of the start", time.Minute, func(c *shutdown.Coordinator) func(context.Context) error {
			return func(ctx context.Context) error { c.Stop(nil); <-ctx.Done(); return nil }
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := listen(t)
			logger := zerolog.Nop()
			c := &shutdown.Coordinator{Warmup: tt.warmup, Signals: []os.Signal{}, Logger: &logger}
			sdnotify.Attach(c)
			sent := make(chan struct{}, 1)
			next := c.Observe
			c.Observe = func(e shutdown.Event) {
				next(e)
				if _, ok := e.(shutdown.Warmed); ok {
					sent <- struct{}{}
				}
			}
			main := tt.main(c)
			report := c.Run(context.Background(), func(ctx context.Context) error {
				if tt.want > 0 {
					go func() { <-sent; c.Stop(nil) }() // a stop that comes first would keep it from being sent
				}
				return main(ctx)
			})
			if err := report.Err(); err != nil {
				t.Error(err)
			}
			got := m.all()
			ready := slices.DeleteFunc(slices.Clone(got), func(msg string) bool { return !strings.HasPrefix(msg, "READY=1") })
			if len(ready) != tt.want {
				t.Errorf("READY=1 was sent %d times, want %d: %q", len(ready), tt.want, got)
			}
		})
	}
}

// startsAndStops returns a main function that has started, and that stops itself if nobody else does.
func startsAndStops(c *shutdown.Coordinator) func(context.Context) error {
	return func(ctx context.Context) error {
		group.Started(ctx)
		if c.Warmup == 0 {
			c.Stop(nil)
		}
		<-ctx.Done()
		return nil
	}
}

// The start of the cache is the last, and it ends without Started, so no Warmed follows.
func TestReadyIsSentWhenTheLastStartEndsWithoutStarted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cache func(context.Context) error
		limit time.Duration
		shut  bool
	}{
		{"by an error", func(context.Context) error { return errors.New("no cache") }, 0, false},
		{"at its limit", func(ctx context.Context) error { <-ctx.Done(); return nil }, 100 * time.Millisecond, false},
		{"by Task.Shutdown", func(ctx context.Context) error { <-ctx.Done(); return nil }, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := listen(t)
			logger := zerolog.Nop()
			c := &shutdown.Coordinator{Warmup: time.Minute, Signals: []os.Signal{}, Logger: &logger}
			sdnotify.Attach(c)
			warmed := make(chan struct{})
			next := c.Observe
			c.Observe = func(e shutdown.Event) {
				next(e)
				switch e := e.(type) {
				case shutdown.Warmed: // that of main
					close(warmed)
				case shutdown.StepEnded:
					if e.Name == "cache" {
						c.Stop(nil)
					}
				}
			}
			c.Run(context.Background(), func(ctx context.Context) error {
				var g group.Group
				var cache *group.Task
				cache = g.Go("cache", func(cacheCtx context.Context) error {
					group.Started(ctx)
					<-warmed
					if tt.shut {
						go func() { _ = cache.Shutdown(context.Background()) }()
					}
					return tt.cache(cacheCtx)
				}, group.Warmup(tt.limit), group.MayFail())
				g.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
				return g.Run(ctx)
			})
			got := m.all()
			if n := strings.Count(strings.Join(got, "\n"), "READY=1"); n != 1 {
				t.Errorf("READY=1 was sent %d times, want once: %q", n, got)
			}
		})
	}
}
