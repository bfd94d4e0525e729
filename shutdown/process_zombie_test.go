//go:build unix

package shutdown_test

import (
	"context"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A zombie is a step that returns after it was abandoned, while the drain still waits for others.
// What it does then has no effect on the drain.

// zombieGrace gives the step that is abandoned 6/10 of it, and the handler after it the rest.
const zombieGrace = 2 * time.Second

var zombieSteps = map[string]func(c *shutdown.Coordinator, rise func()){
	"handler": func(c *shutdown.Coordinator, rise func()) {
		c.Register(func(context.Context) error { rise(); return nil }, shutdown.Name("handler"))
		endMain(c, untilStopped)
	},
	"main": func(c *shutdown.Coordinator, rise func()) {
		endMain(c, func(ctx context.Context) error { _ = untilStopped(ctx); rise(); return nil })
	},
	"task": func(c *shutdown.Coordinator, rise func()) {
		endMain(c, func(ctx context.Context) error {
			var g group.Group
			g.Go("task", func(ctx context.Context) error { _ = untilStopped(ctx); rise(); return nil })
			return g.Run(ctx)
		})
	},
	"hold": func(c *shutdown.Coordinator, rise func()) {
		endMain(c, func(ctx context.Context) error {
			c.Go(ctx, "hold", func(context.Context) error { rise(); return nil })
			return untilStopped(ctx)
		})
	},
}

var zombieEnds = map[string]func(){
	"returns": func() {},
	"panics":  func() { explode("boom") },
	"Goexits": runtime.Goexit,
}

// zombieEnded is logged when a zombie has panicked, or has called Goexit.
const zombieEnded = "abandoned step has ended"

func init() {
	for step, play := range zombieSteps {
		for end, does := range zombieEnds {
			scenario("zombie "+step+" "+end, func() {
				c, logged := telling(zombieGrace), &transcript{}
				logger := zerologTo(io.MultiWriter(logged, os.Stderr))
				c.Logger = &logger
				risen := make(chan struct{})
				c.Register(func(ctx context.Context) error {
					close(risen)
					if end == "returns" { // which is not logged
						time.Sleep(zombieGrace / 10)
					}
					for end != "returns" && !strings.Contains(logged.String(), zombieEnded) && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					say("last")
					return nil
				}, shutdown.Reserve(zombieGrace*4/10))
				play(c, func() {
					<-risen
					does()
				})
			})
		}
	}
}

func TestProcessZombie(t *testing.T) {
	t.Parallel()
	for step := range zombieSteps {
		for end := range zombieEnds {
			t.Run(step+" "+end, func(t *testing.T) {
				t.Parallel()
				p := start(t, "zombie "+step+" "+end)
				p.expect("running")
				p.signal(syscall.SIGTERM)
				p.exits(1)
				p.said("last")
				if got := p.step(step).Outcome; got != "abandoned" {
					t.Errorf("outcome of %s = %s, want abandoned", step, got)
				}
				if strings.Contains("\n"+p.err.String(), "\ngoroutine ") {
					t.Errorf("it crashed\n%s", p)
				}
				if end != "returns" {
					p.logs(zombieEnded)
				}
			})
		}
	}
}

func init() {
	scenario("Exit with a code, and a stuck handler", func() {
		c := stuckCoordinator()
		c.Register(func(context.Context) error { stuckOnMutex(); return nil })
		endMain(c, func(context.Context) error { c.Exit(3); return nil })
	})
	scenario("a panic, and a stuck handler", func() {
		c := stuckCoordinator()
		c.Register(func(context.Context) error { stuckOnMutex(); return nil })
		endMain(c, func(context.Context) error { explode("boom"); return nil })
	})
	scenario("Exit deferred, a panic, and a stuck handler", func() {
		c := stuckCoordinator()
		c.Register(func(context.Context) error { stuckOnMutex(); return nil })
		defer c.Exit(3)
		explode("boom")
	})
}

func TestProcessStuckHandlerKeepsTheCode(t *testing.T) {
	t.Parallel()
	for scenario, code := range map[string]int{
		"Exit with a code, and a stuck handler":       3,
		"a panic, and a stuck handler":                2,
		"Exit deferred, a panic, and a stuck handler": 2,
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			p := start(t, scenario)
			p.exits(code)
			p.said("last")
			if took := p.took(); took > stuckGrace+slack {
				t.Errorf("it took %v, want %v", took, stuckGrace)
			}
		})
	}
}
