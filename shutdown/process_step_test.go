//go:build unix

package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// An act is a call that a step makes to its own Coordinator. It says the result.
type act struct {
	name string
	do   func(ctx context.Context, p *program)
	said map[string][]string // by the kind of step; "" for all others
	code int
	stop bool // it gives a reason to stop, which a handler comes too late for
}

// A program is the environment of the acts: a handler called victim, registered second, and a scope
// with a handler.
type program struct {
	*shutdown.Coordinator
	victim *shutdown.Registration
	self   *shutdown.Registration // of the handler that acts
	scope  *shutdown.Scope
}

var kinds = []string{"handler", "main", "task", "started", "hold"}

var acts = []act{
	{
		name: "nothing",
		do:   func(context.Context, *program) {},
		said: map[string][]string{"": {"in scope", "victim", "last"}},
	},
	{
		name: "Register",
		do: func(_ context.Context, p *program) {
			if err := p.Register(says("registered late")).Err(); err != nil {
				say("%v", err)
			}
		},
		said: map[string][]string{"": {"registered late", "in scope", "victim", "last"}},
	},
	{
		name: "Register 1000 that each register one more",
		do: func(_ context.Context, p *program) {
			n := 0
			p.Register(func(context.Context) error { say("%d", n); return nil })
			for range 1000 {
				p.Register(func(context.Context) error {
					p.Register(func(context.Context) error { n++; return nil })
					return nil
				})
			}
		},
		said: map[string][]string{"": {"1000", "in scope", "victim", "last"}},
	},
	{
		name: "Unregister",
		do: func(_ context.Context, p *program) {
			say("%v, again %v, %d by name", p.victim.Unregister(), p.victim.Unregister(), p.Unregister("in scope"))
		},
		said: map[string][]string{"": {"true, again false, 1 by name", "last"}},
	},
	{
		name: "Unregister itself",
		do: func(_ context.Context, p *program) {
			if p.self != nil {
				say("%v", p.self.Unregister())
			}
			say("%d by name", p.Unregister("odd"))
		},
		said: map[string][]string{
			"":        {"0 by name", "in scope", "victim", "last"},
			"handler": {"false", "0 by name", "in scope", "victim", "last"},
			"started": {"false", "0 by name", "in scope", "victim", "last"},
		},
	},
	{
		name: "Stop",
		do:   func(_ context.Context, p *program) { p.Stop(nil) },
		said: map[string][]string{"": {"in scope", "victim", "last"}},
	},
	{
		name: "Stop with an error",
		do:   func(_ context.Context, p *program) { p.Stop(errTest) },
		said: map[string][]string{"": {"in scope", "victim", "last"}},
		code: 1, stop: true,
	},
	{
		name: "Stop with an ExitError",
		do:   func(_ context.Context, p *program) { p.Stop(&shutdown.ExitError{Code: 5, Err: errTest}) },
		said: map[string][]string{"": {"in scope", "victim", "last"}},
		code: 5, stop: true,
	},
	{
		name: "Shutdown with its own context",
		do:   func(ctx context.Context, p *program) { p.sayShutdown(ctx) },
		said: map[string][]string{"": {"Shutdown: in progress", "in scope", "victim", "last"}},
	},
	{
		name: "Shutdown with another context",
		do:   func(_ context.Context, p *program) { p.sayShutdown(context.Background()) },
		said: map[string][]string{"": {"Shutdown: in progress", "in scope", "victim", "last"}},
	},
	{
		name: "Shutdown in a goroutine with its context, and wait for that",
		do: func(ctx context.Context, p *program) {
			done := make(chan struct{})
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			go func() { p.sayShutdown(ctx); close(done) }()
			<-done
		},
		said: map[string][]string{"": {"Shutdown: in progress", "in scope", "victim", "last"}},
	},
	{
		name: "Exit",
		do:   func(_ context.Context, p *program) { p.Exit(5); say("Exit returned") },
		said: map[string][]string{"": {"in scope", "victim", "last"}},
		code: 5,
	},
	{
		name: "Exit in a deferred function",
		do:   func(_ context.Context, p *program) { defer p.Exit(5) },
		said: map[string][]string{"": {"in scope", "victim", "last"}},
		code: 5,
	},
	{
		name: "Close a scope",
		do:   func(ctx context.Context, p *program) { say("%v, again %v", p.scope.Close(ctx), p.scope.Close(ctx)) },
		said: map[string][]string{"": {"in scope", "<nil>, again <nil>", "victim", "last"}},
	},
	{
		name: "Close a registration",
		do:   func(ctx context.Context, p *program) { say("%v, again %v", p.victim.Close(ctx), p.victim.Close(ctx)) },
		said: map[string][]string{"": {"victim", "<nil>, again <nil>", "in scope", "last"}},
	},
	{
		name: "Close a registration with a context that has ended",
		do: func(ctx context.Context, p *program) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			say("%v", p.victim.Close(ctx))
		},
		said: map[string][]string{"": {"victim", "<nil>", "in scope", "last"}},
	},
	{
		name: "Close itself",
		do: func(ctx context.Context, p *program) {
			if p.self != nil {
				say("%v", p.self.Close(ctx))
			}
		},
		said: map[string][]string{
			"":        {"in scope", "victim", "last"},
			"handler": {"shutdown: called from within a step, which it would wait for", "in scope", "victim", "last"},
			"started": {"<nil>", "in scope", "victim", "last"},
		},
	},
	{
		name: "Release a scope, and call what that returned",
		do:   func(ctx context.Context, p *program) { say("%v", p.scope.Release()(ctx)) },
		said: map[string][]string{"": {"in scope", "<nil>", "victim", "last"}},
	},
	{
		name: "Release a scope, and drop it",
		do:   func(_ context.Context, p *program) { p.scope.Release() },
		said: map[string][]string{"": {"victim", "last"}},
	},
	{
		name: "a nested panic that it recovers",
		do: func(context.Context, *program) {
			defer func() { say("recovered %v", recover()) }()
			defer explode("second")
			explode("first")
		},
		said: map[string][]string{"": {"recovered second", "in scope", "victim", "last"}},
	},
}

func (p *program) sayShutdown(ctx context.Context) {
	if err := p.Shutdown(ctx); errors.Is(err, shutdown.ErrInProgress) {
		say("Shutdown: in progress")
	} else {
		say("Shutdown: %v", err)
	}
}

// playAct makes a program in which a step of this kind does the act.
func playAct(kind string, a act) {
	p := &program{Coordinator: telling(stepGrace)}
	p.Register(says("last"))
	p.victim = p.Register(says("victim"))
	p.scope = p.Scope("scope")
	p.scope.Register(says("in scope"), shutdown.Name("in scope"))
	acted := make(chan struct{})
	odd := func(ctx context.Context) error {
		defer close(acted)
		a.do(ctx, p)
		return nil
	}
	main := func(context.Context) error { return nil }
	switch kind {
	case "handler":
		p.self = p.Register(odd, shutdown.Name("odd"))
	case "main":
		main = odd
	case "task":
		main = func(ctx context.Context) error {
			var g group.Group
			g.Go("odd", odd)
			return g.Run(ctx)
		}
	case "started":
		p.self = p.Start(odd, shutdown.Name("odd"))
		main = func(context.Context) error { <-acted; return nil }
	case "hold":
		main = func(ctx context.Context) error { p.Go(ctx, "odd", odd); <-acted; return nil }
	}
	endMain(p.Coordinator, main)
}

func init() {
	for _, kind := range kinds {
		for _, a := range acts {
			scenario(kind+" calls "+a.name, func() { playAct(kind, a) })
		}
	}
}

func TestProcessStepActs(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, a := range acts {
			t.Run(kind+" does "+a.name, func(t *testing.T) {
				t.Parallel()
				p := start(t, kind+" calls "+a.name)
				want := a.code
				if kind == "handler" && a.stop {
					want = 0
				}
				p.exits(want)
				said, ok := a.said[kind]
				if !ok {
					said = a.said[""]
				}
				p.said(said...)
				if own := p.ownTime(); own > stepGrace/2 {
					t.Errorf("it took %v of %v: a step waited without need", own, stepGrace)
				}
			})
		}
	}
}

func init() {
	scenario("Close meets the drain", func() {
		c := telling(stepGrace)
		c.Register(says("last"))
		r := c.Register(sleeps("closed", time.Second))
		endMain(c, func(ctx context.Context) error {
			go func() { say("Close: %v", r.Close(context.Background())) }()
			return untilStopped(ctx)
		})
	})
	scenario("Close of a scope meets the drain", func() {
		c := telling(stepGrace)
		c.Register(says("last"))
		s := c.Scope("scope")
		s.Register(sleeps("closed", time.Second))
		endMain(c, func(ctx context.Context) error {
			go func() { say("Close: %v", s.Close(context.Background())) }()
			return untilStopped(ctx)
		})
	})
}

// Handlers that are being closed when the program stops do not run twice, and are not abandoned.
func TestProcessCloseMeetsTheDrain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Close meets the drain", "Close of a scope meets the drain"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, name)
			p.expect("running")
			p.expect("closed begins")
			p.signal(syscall.SIGTERM)
			p.exits(0)
			if !p.out.has("closed ends") {
				t.Errorf("the process ended in the middle of a handler that was being closed\n%s", p)
			}
			if !p.out.has("last") {
				t.Errorf("the other handler did not run\n%s", p)
			}
		})
	}
}

func init() {
	scenario("all sorts of handlers leave nothing behind", func() {
		c := telling(stepGrace)
		for i := range 3 {
			c.Register(says(fmt.Sprint(i)))
		}
		s := c.Scope("side by side", shutdown.Concurrent())
		s.Register(func(context.Context) error { return nil })
		s.Register(func(context.Context) error { return nil })
		c.Start(untilStopped)
		c.Register(func(context.Context) error { c.Stop(nil); return nil })
		endMain(c, untilStopped)
	})
	scenario("a handler leaves a goroutine behind", func() {
		c := telling(stepGrace)
		c.Register(says("last"))
		c.Register(func(context.Context) error { go stuckChild(); return nil }, shutdown.Name("untidy"))
		endMain(c, untilStopped)
	})
	scenario("a handler leaves a goroutine behind, and an older one has ended", func() {
		older := make(chan struct{})
		go func() { <-older }()
		before := runtime.NumGoroutine()
		c := telling(stepGrace)
		c.Register(func(context.Context) error {
			n := runtime.NumGoroutine()
			close(older)
			for runtime.NumGoroutine() == n {
				time.Sleep(time.Millisecond)
			}
			go stuckChild()
			return nil
		}, shutdown.Name("untidy"))
		shutdown.SetExit(c, func(code int) { exit(c, code) })
		code := c.Main(untilStopped)
		say("%d before, %d after", before, runtime.NumGoroutine())
		exit(c, code)
	})
	scenario("nothing is left behind", func() {
		c := telling(stepGrace)
		c.Register(says("last"))
		c.Start(untilStopped)
		scans(c)
	})
	scenario("something is left behind", func() {
		c := telling(stepGrace)
		c.Register(func(context.Context) error { go stuckChild(); return nil })
		scans(c)
	})
}

// scans runs a group until the stop, and says how often the world was stopped meanwhile: a scan of
// all goroutines stops it.
func scans(c *shutdown.Coordinator) {
	before := pauses()
	code := c.Main(func(ctx context.Context) error {
		var g group.Group
		g.Go("waits", untilStopped)
		return g.Run(ctx)
	})
	say("%d pauses", pauses()-before)
	exit(c, code)
}

// pauses returns how often the world was stopped, except for garbage collection.
func pauses() (n uint64) {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(sample)
	for _, count := range sample[0].Value.Float64Histogram().Counts {
		n += count
	}
	return n
}

// If the process has only goroutines of this library, the search for leaks is left out. One that is
// ending may be taken for another's if the machine is busy.
func TestProcessWithoutOthersIsNotScanned(t *testing.T) {
	t.Parallel()
	for scenario, want := range map[string]bool{"nothing is left behind": false, "something is left behind": true} {
		attempt(t, func() error {
			p := start(t, scenario)
			p.expect("running")
			p.signal(syscall.SIGTERM)
			p.exits(0)
			if scanned := !p.out.has("0 pauses"); scanned != want {
				return fmt.Errorf("%s: scanned: %v, want %v\n%s", scenario, scanned, want, p)
			}
			return nil
		})
	}
}

// The goroutines of this library must not be reported as leaks.
func TestProcessLeaks(t *testing.T) {
	t.Parallel()
	for scenario, want := range map[string]string{
		"all sorts of handlers leave nothing behind":                      "[]",
		"a handler leaves a goroutine behind":                             "[untidy]",
		"a handler leaves a goroutine behind, and an older one has ended": "[untidy]",
	} {
		attempt(t, func() error {
			p := start(t, scenario)
			p.expect("running")
			p.signal(syscall.SIGTERM)
			p.exits(0)
			var got []string
			for _, l := range p.report().Leaks {
				got = append(got, l.Step)
			}
			if fmt.Sprint(got) != want {
				return fmt.Errorf("%s: leaks of %v, want %s", scenario, got, want)
			}
			return nil
		})
	}
}
