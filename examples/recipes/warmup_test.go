package recipes_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// region warmup
// A cache is filled before the program serves.
type cache struct {
	load    func(ctx context.Context) (map[string]string, error)
	entries map[string]string
}

// Run fills the cache, says that it has, and keeps it up to date.
func (c *cache) Run(ctx context.Context) error {
	entries, err := c.load(ctx)
	if err != nil {
		return err
	}
	c.entries = entries
	group.Started(ctx) // the server is begun, and the program is ready when it listens
	<-ctx.Done()
	return nil
}

// serve is main. The server is begun when the cache is filled.
func serve(ctx context.Context, c *cache, srv *http.Server) error {
	var g group.Group
	g.Go("cache", c.Run, group.Warmup(time.Minute))
	g.Go("http", httpdrain.Serve(srv), group.Warmup(10*time.Second))
	return g.Run(ctx)
}

// endregion

// slowly is a load that takes two seconds.
func slowly(ctx context.Context) (map[string]string, error) {
	select {
	case <-time.After(2 * time.Second):
		return map[string]string{"answer": "42"}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// region testing
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shutdowntest.New(t)
		c.Warmup = time.Minute
		p := shutdowntest.Start(t, c, func(ctx context.Context) error {
			var g group.Group
			g.Go("cache", (&cache{load: slowly}).Run, group.Warmup(5*time.Second)) // slowly takes 2 s
			return g.Run(ctx)
		})
		synctest.Wait() // until the cache waits
		if p.Ready() {
			t.Error("ready before the cache is filled")
		}
		time.Sleep(3 * time.Second) // virtual time
		if !p.Ready() {
			t.Error("not ready although the cache is filled")
		}
		p.Stop(nil)
		p.Clean()
	})
}

// endregion

func TestWarmup(t *testing.T) {
	t.Run("the program is ready when the cache is filled and the server listens", func(t *testing.T) {
		c := &cache{load: func(context.Context) (map[string]string, error) { return map[string]string{"answer": "42"}, nil }}
		p := shutdowntest.Start(t, &shutdown.Coordinator{Warmup: time.Minute}, func(ctx context.Context) error {
			return serve(ctx, c, &http.Server{Addr: "127.0.0.1:0"})
		})
		for !p.Ready() {
			time.Sleep(time.Millisecond)
		}
		if c.entries["answer"] != "42" {
			t.Error("the program is ready, and the cache is empty")
		}
		p.Stop(nil)
		if err := p.Wait().Err(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a stop while the cache is filled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := shutdowntest.Start(t, &shutdown.Coordinator{Warmup: time.Minute, Delay: 5 * time.Second}, func(ctx context.Context) error {
				return serve(ctx, &cache{load: slowly}, &http.Server{Addr: "127.0.0.1:0"})
			})
			time.Sleep(time.Second)
			p.Stop(nil)
			if r := p.Wait(); r.Err() != nil || r.Took != 0 || len(r.Steps) != 2 {
				t.Errorf("%v, with error %v; want main and the cache, without a delay", r, r.Err())
			}
		})
	})
}
