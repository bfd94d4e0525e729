package shutdown_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/shutdown"
)

func init() {
	scenario("functions in the Main of another Coordinator", func() {
		c := &shutdown.Coordinator{Grace: stepGrace}
		os.Exit(c.Main(func(ctx context.Context) error {
			shutdown.Register(shutdown.Func(func() { say("handler") }))
			shutdown.NewScope("scope").Register(shutdown.Func(func() { say("in scope") }))
			shutdown.Start(func(ctx context.Context) error { <-ctx.Done(); say("task"); return nil })
			started := make(chan struct{})
			ok := shutdown.Go(ctx, "work", func(context.Context) error { close(started); return nil })
			<-started
			say("ready %t, go %t, from any context %t", shutdown.Ready(), ok, shutdown.FromContext(context.Background()) == c)
			shutdown.Stop(nil)
			<-ctx.Done()
			return nil
		}))
	})
	scenario("a handler of Default in the Main of another", func() {
		shutdown.Register(shutdown.Func(func() { say("handler") }), shutdown.Name("flush"))
		shutdown.NewScope("scope").Register(shutdown.Func(func() { say("in scope") }), shutdown.Name("temporary file"))
		defer func() {
			fmt.Println(recover())
			os.Exit(3)
		}()
		(&shutdown.Coordinator{}).Main(func(context.Context) error { say("main"); return nil })
	})
	scenario("a handler of Default, registered in the Main of another", func() {
		os.Exit((&shutdown.Coordinator{Grace: stepGrace}).Main(func(context.Context) error {
			shutdown.Default.Register(shutdown.Func(func() { say("handler") }), shutdown.Name("flush"))
			return nil
		}))
	})
	scenario("a Stop of Default in the Main of another", func() {
		shutdown.Stop(nil)
		defer func() {
			fmt.Println(recover())
			os.Exit(3)
		}()
		(&shutdown.Coordinator{}).Main(func(context.Context) error { say("main"); return nil })
	})
	scenario("a handler of Default and the Run of another", func() {
		shutdown.Register(shutdown.Func(func() { say("handler") }), shutdown.Name("flush"))
		(&shutdown.Coordinator{Grace: stepGrace}).Run(context.Background(), func(context.Context) error { say("main"); return nil })
		os.Exit(0)
	})
}

// The functions of the package act on the Coordinator whose Main runs.
func TestProcessFunctionsInTheMainOfAnotherCoordinator(t *testing.T) {
	t.Parallel()
	p := start(t, "functions in the Main of another Coordinator")
	p.exits(0)
	p.said("ready true, go true, from any context true", "task", "in scope", "handler")
}

// Handlers on Default would never run, so Main panics.
func TestProcessMainOfAnotherWhileDefaultIsInUse(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"a handler of Default in the Main of another": {`handler "flush" (shutdown/current_test.go:`, `handler "temporary file" (shutdown/current_test.go:`},
		"a Stop of Default in the Main of another":    {"a call of Stop"},
	} {
		p := start(t, name)
		p.exits(3)
		out := p.out.String()
		for _, w := range append(want, "shutdown.Main", "current_test.go") {
			if !strings.Contains(out, w) {
				t.Errorf("%s: the panic does not say %q:\n%s", name, w, out)
			}
		}
		if strings.Contains(out, "main\n") {
			t.Errorf("%s: main was called:\n%s", name, out)
		}
	}
}

// Run may be one of several Runs, so it only logs the handlers on Default, at its end.
func TestProcessRunOfAnotherWhileDefaultIsInUse(t *testing.T) {
	t.Parallel()
	p := start(t, "a handler of Default and the Run of another")
	p.exits(0)
	p.logs("registered on Default but not run", "flush")
}

// Main checks Default at its start, and again at its end.
func TestProcessDefaultIsUsedInTheMainOfAnother(t *testing.T) {
	t.Parallel()
	p := start(t, "a handler of Default, registered in the Main of another")
	p.exits(0)
	p.logs("registered on Default but not run", "flush")
}

// A program in a bubble does not make Default a part of the bubble, whose channels and clock are of
// no use outside.
func TestAProgramInABubbleLeavesDefaultAlone(t *testing.T) {
	defer func(old *shutdown.Coordinator) { shutdown.Default = old }(shutdown.Default)
	shutdown.Default = new(shutdown.Coordinator)
	inBubble(t, func(p *bubble) { p.runs(nothing) })
	select {
	case <-shutdown.Default.Stopping():
		t.Error("Default is stopping")
	default:
	}
}
