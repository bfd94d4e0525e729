//go:build unix

package shutdown_test

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

func init() {
	scenario("a service that registers HUP and takes a moment to stop", func() {
		c := telling(exitGrace)
		c.Signals = []os.Signal{syscall.SIGHUP, syscall.SIGTERM}
		c.Register(says("last"))
		c.Register(sleeps("slow", 2*time.Second), shutdown.Reserve(exitGrace/2))
		endMain(c, untilStopped)
	})
	scenario("a service that was announced to stop", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		endMain(c, func(ctx context.Context) error {
			c.Quiesce()
			return untilStopped(ctx)
		})
	})
	scenario("a service whose announced stop was undone", func() {
		c := telling(exitGrace)
		endMain(c, func(ctx context.Context) error {
			c.Quiesce()
			c.Resume()
			return untilStopped(ctx)
		})
	})
	scenario("a service that looks whether HUP is ignored", func() {
		c := telling(exitGrace)
		c.Register(func(context.Context) error {
			say("in the drain: %v", signal.Ignored(syscall.SIGHUP))
			return nil
		})
		c.Run(context.Background(), untilStopped)
		say("after it: %v", signal.Ignored(syscall.SIGHUP))
		os.Exit(0)
	})
	scenario("a program that touches no signal and stops", func() {
		c := telling(exitGrace)
		c.Signals = []os.Signal{}
		c.Register(sleeps("slow", exitGrace/2))
		endMain(c, func(context.Context) error { return nil })
	})
}

// When a terminal is closed, its programs get SIGHUP.
func TestProcessHangup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		scenario string
		term     bool   // SIGTERM comes first
		ready    string // what the child says before SIGHUP
		dies     bool   // of SIGHUP
		forced   bool
		said     []string
	}{
		{
			name: "in the drain it is dropped", scenario: "a service that takes a moment to stop",
			term: true, ready: "slow begins", said: []string{"slow begins", "slow ends", "last"},
		},
		{
			name: "in the drain it counts where it is listed", scenario: "a service that registers HUP and takes a moment to stop",
			term: true, ready: "slow begins", forced: true, said: []string{"slow begins", "slow ends", "last"},
		},
		{
			name: "in a drain without Run it is dropped", scenario: "Exit without Run, with slow handlers",
			ready: "slow begins", said: []string{"slow begins", "slow ends", "last"},
		},
		{
			name: "from the announcement of a stop on it is dropped", scenario: "a service that was announced to stop",
			ready: "running", said: []string{"last"},
		},
		{
			name: "once that is undone it kills", scenario: "a service whose announced stop was undone",
			ready: "running", dies: true,
		},
		{
			name: "after Run it kills", scenario: "a program that goes on after Run",
			ready: "over", dies: true,
		},
		{
			name: "in a drain that touches no signal it kills", scenario: "a program that touches no signal and stops",
			ready: "slow begins", dies: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.scenario)
			if tt.term {
				p.expect("running")
				p.signal(syscall.SIGTERM)
			}
			p.expect(tt.ready)
			if tt.forced {
				time.Sleep(apart)
			}
			p.signal(syscall.SIGHUP)
			if tt.dies {
				p.dies(syscall.SIGHUP)
				return
			}
			code := 0
			switch tt.scenario {
			case "a service that was announced to stop":
				time.Sleep(apart)
				p.signal(syscall.SIGTERM)
			case "Exit without Run, with slow handlers":
				code = 3
			}
			p.exits(code)
			p.said(tt.said...)
			if _, ok := p.out.after("report "); ok && p.report().Forced != tt.forced {
				t.Errorf("Forced = %v, want %v", !tt.forced, tt.forced)
			}
		})
	}
}

// The drain must not undo nohup's setting either.
func TestProcessHangupStaysIgnored(t *testing.T) {
	t.Parallel()
	p := start(t, "a service that looks whether HUP is ignored", ignoring("HUP"))
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.exits(0)
	p.said("in the drain: true", "after it: true")
}

// In a synctest bubble the first use of a signal ends the process. A program whose Signals are
// empty is run and drained in one bubble, and another one is only drained.
func TestProcessInABubble(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"TestBubbleRun", "TestBubbleShutdown"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "", func(p *child) {
				p.cmd.Args = append(p.cmd.Args, "-test.run=^"+name+"$", "-test.v")
			})
			p.exits(0)
			if !p.out.has("--- PASS: " + name) {
				t.Errorf("the test was not run\n%s", p)
			}
		})
	}
}

func TestBubbleRun(t *testing.T) {
	inBubble(t, func(p *bubble) {
		c := &shutdown.Coordinator{Grace: 10 * s, Delay: 2 * s, Signals: []os.Signal{}}
		c.Register(p.takes(3 * s))
		p.at(s, func() { c.Stop(nil) })
		if r := c.Run(context.Background(), obey); r.Err() != nil || r.Took != 5*s {
			t.Errorf("Err = %v, Took = %v; want nil, 5 s", r.Err(), r.Took)
		}
	})
}

func TestBubbleShutdown(t *testing.T) {
	inBubble(t, func(p *bubble) {
		c := &shutdown.Coordinator{Grace: 10 * s, Signals: []os.Signal{}}
		c.Register(p.takes(3 * s))
		if err := c.Shutdown(context.Background()); err != nil || p.now() != 3*s {
			t.Errorf("Shutdown = %v at %v, want nil at 3 s", err, p.now())
		}
	})
}
