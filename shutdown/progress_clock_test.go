package shutdown_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// In a bubble the clock stands still between two readings, so this test uses the real one. The
// handler ends with its first progress event.
func TestProgressWithTheRealClock(t *testing.T) {
	t.Parallel()
	shown := make(chan struct{})
	once := sync.OnceFunc(func() { close(shown) })
	logger := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &logger, Observe: func(e shutdown.Event) {
		if _, ok := e.(shutdown.Waiting); ok {
			once()
		}
	}}
	r := c.Run(t.Context(), func(context.Context) error {
		c.Register(func(ctx context.Context) error {
			select {
			case <-shown:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}, shutdown.Name("slow"))
		return nil
	})
	if err := r.Err(); err != nil {
		t.Errorf("no progress event in %v: %v", r.Took, err)
	}
}
