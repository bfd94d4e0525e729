package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// exitGrace is longer than children need whose steps return when they are told to.
const exitGrace = 20 * time.Second

// An exitCase is a program that ends by itself. Before it is called, a handler is registered that
// says "last".
type exitCase struct {
	name string
	play func(c *shutdown.Coordinator)
	code int
	said []string // nil: "last"
	logs []string
}

// runs makes a program with this main function.
func runs(main func(c *shutdown.Coordinator, ctx context.Context) error) func(*shutdown.Coordinator) {
	return func(c *shutdown.Coordinator) {
		os.Exit(c.Main(func(ctx context.Context) error { return main(c, ctx) }))
	}
}

// returns makes a program whose main function returns err.
func returns(err error) func(*shutdown.Coordinator) {
	return runs(func(*shutdown.Coordinator, context.Context) error { return err })
}

// hasHandler makes a program with this handler, whose main returns nil.
func hasHandler(h func(*shutdown.Coordinator) error) func(*shutdown.Coordinator) {
	return func(c *shutdown.Coordinator) {
		c.Register(func(context.Context) error { return h(c) }, shutdown.Name("odd"))
		returns(nil)(c)
	}
}

// hasTask makes a program whose main runs a group with this task.
func hasTask(task func(*shutdown.Coordinator) error) func(*shutdown.Coordinator) {
	return runs(func(c *shutdown.Coordinator, ctx context.Context) error {
		var g group.Group
		g.Go("idle", untilStopped)
		g.Go("odd", func(context.Context) error { return task(c) })
		return g.Run(ctx)
	})
}

// explode is a function to look for in a traceback.
//
//go:noinline
func explode(value any) { panic(value) }

func playAll(prefix string, cases []exitCase) {
	for _, e := range cases {
		scenario(prefix+e.name, func() {
			c := &shutdown.Coordinator{Grace: exitGrace}
			c.Register(says("last"))
			e.play(c)
		})
	}
}

func testAll(t *testing.T, prefix string, cases []exitCase) {
	t.Parallel()
	for _, e := range cases {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, prefix+e.name)
			p.exits(e.code)
			if e.said == nil {
				e.said = []string{"last"}
			}
			p.said(e.said...)
			p.logs(e.logs...)
			if p.took() > exitGrace {
				t.Errorf("it took %v", p.took())
			}
		})
	}
}

var exitCodes = []exitCase{
	{name: "main returns nil", play: returns(nil), code: 0},
	{name: "main returns an error", play: returns(errTest), code: 1, logs: []string{errTest.Error()}},
	{name: "main returns an ExitError", play: returns(&shutdown.ExitError{Code: 7}), code: 7},
	{name: "main returns a wrapped ExitError", play: returns(fmt.Errorf("usage: %w", &shutdown.ExitError{Code: 64, Err: errTest})), code: 64},
	{
		name: "main returns an ExitError of which Unix keeps nothing",
		play: returns(&shutdown.ExitError{Code: 256}), code: map[bool]int{true: 256, false: 1}[runtime.GOOS == "windows"],
	},
	{name: "main returns an ExitError of 0 without an error", play: returns(&shutdown.ExitError{}), code: 0},
	{name: "main returns an ExitError of 0 with an error", play: returns(&shutdown.ExitError{Err: errTest}), code: 1},
	{
		name: "main is stopped with an ExitError", code: 9,
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			go c.Stop(&shutdown.ExitError{Code: 9})
			<-ctx.Done()
			return ctx.Err()
		}),
	},
	{
		name: "main is stopped with an error, and obeys", code: 1, logs: []string{errTest.Error()},
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			go c.Stop(errTest)
			<-ctx.Done()
			return context.Cause(ctx)
		}),
	},
	{
		name: "a stop without a cause is clean", code: 0,
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			go c.Stop(nil)
			<-ctx.Done()
			return ctx.Err()
		}),
	},
	{
		name: "a failing handler", code: 1, logs: []string{errTest.Error(), `"outcome":"failed"`},
		play: hasHandler(func(*shutdown.Coordinator) error { return errTest }),
	},
	{
		name: "a failing handler after an ExitError", code: 7,
		play: func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { return errTest })
			returns(&shutdown.ExitError{Code: 7})(c)
		},
	},
	{
		name: "a panicking handler", code: 1, logs: []string{"boom", `"outcome":"panicked"`, "explode"},
		play: hasHandler(func(*shutdown.Coordinator) error { explode("boom"); return nil }),
	},
	{
		name: "a handler that panics with nil", code: 1, logs: []string{`"outcome":"panicked"`},
		play: hasHandler(func(*shutdown.Coordinator) error { explode(nil); return nil }),
	},
	{
		name: "a handler that calls Goexit", code: 1, logs: []string{`"outcome":"goexited"`},
		play: hasHandler(func(*shutdown.Coordinator) error { runtime.Goexit(); return nil }),
	},
	{
		name: "a task that panics", code: 1, logs: []string{"boom", "explode"},
		play: hasTask(func(*shutdown.Coordinator) error { explode("boom"); return nil }),
		said: []string{"last"},
	},
	{
		name: "a task that calls Goexit", code: 1, logs: []string{"Goexit"},
		play: hasTask(func(*shutdown.Coordinator) error { runtime.Goexit(); return nil }),
	},
	{
		name: "Run without Main", code: 0,
		play: func(c *shutdown.Coordinator) {
			os.Exit(c.Run(context.Background(), func(context.Context) error { return nil }).ExitCode())
		},
	},
	{
		name: "an error under Run without Main", code: 1,
		play: func(c *shutdown.Coordinator) {
			os.Exit(c.Run(context.Background(), func(context.Context) error { return errTest }).ExitCode())
		},
	},
	{
		name: "a panic under Run without Main is in the report only", code: 2,
		logs: []string{"boom", `"outcome":"panicked"`},
		said: []string{"last", "Run returned"},
		play: func(c *shutdown.Coordinator) {
			r := c.Run(context.Background(), func(context.Context) error { explode("boom"); return nil })
			say("Run returned")
			os.Exit(r.ExitCode())
		},
	},
	{
		name: "a Goexit under Run without Main", code: 1, said: []string{"last", "Run returned"},
		play: func(c *shutdown.Coordinator) {
			r := c.Run(context.Background(), func(context.Context) error { runtime.Goexit(); return nil })
			say("Run returned")
			os.Exit(r.ExitCode())
		},
	},
}

// exitCalls are programs that call Exit.
var exitCalls = []exitCase{
	{name: "in main", code: 3, play: runs(func(c *shutdown.Coordinator, _ context.Context) error { c.Exit(3); return nil })},
	{
		name: "with 0 in main", code: 0,
		play: runs(func(c *shutdown.Coordinator, _ context.Context) error { c.Exit(0); return errTest }),
	},
	{
		name: "in main, whose deferred functions run", code: 3, said: []string{"deferred", "last"},
		play: runs(func(c *shutdown.Coordinator, _ context.Context) error {
			defer say("deferred")
			func() { c.Exit(3) }()
			say("Exit returned")
			return nil
		}),
	},
	{
		name: "deferred in the main function of Main", code: 3,
		play: runs(func(c *shutdown.Coordinator, _ context.Context) error {
			defer c.Exit(3)
			return nil
		}),
	},
	{
		name: "deferred in the main function of Main, which panics", code: 2, logs: []string{"panic: boom", "explode"},
		play: runs(func(c *shutdown.Coordinator, _ context.Context) error {
			defer c.Exit(3)
			explode("boom")
			return nil
		}),
	},
	{
		name: "deferred in the main function of Main, which calls Goexit", code: 1,
		play: runs(func(c *shutdown.Coordinator, _ context.Context) error {
			defer c.Exit(0)
			runtime.Goexit()
			return nil
		}),
	},
	{name: "in a task", code: 3, play: hasTask(func(c *shutdown.Coordinator) error { c.Exit(3); return nil })},
	{
		name: "in a task that was started", code: 3,
		play: func(c *shutdown.Coordinator) {
			c.Start(func(context.Context) error { c.Exit(3); return nil })
			os.Exit(c.Main(untilStopped))
		},
	},
	{
		name: "in a hold", code: 3,
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			c.Go(ctx, "hold", func(context.Context) error { c.Exit(3); return nil })
			<-ctx.Done()
			return nil
		}),
	},
	{name: "in a handler", code: 3, play: hasHandler(func(c *shutdown.Coordinator) error { c.Exit(3); return nil })},
	{
		name: "with 0 in a handler, and an error of main", code: 1,
		play: func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { c.Exit(0); return nil })
			returns(errTest)(c)
		},
	},
	{
		name: "in a deferred function of a handler that panics", code: 3, logs: []string{"boom"},
		play: hasHandler(func(c *shutdown.Coordinator) error {
			defer c.Exit(3)
			explode("boom")
			return nil
		}),
	},
	{
		name: "in another goroutine", code: 3,
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			go func() {
				c.Exit(3)
				say("Exit returned")
			}()
			<-ctx.Done()
			return nil
		}),
	},
	{
		name: "in another goroutine under Run, whose caller ends the process", code: 3, said: []string{"last", "Run returned"},
		play: func(c *shutdown.Coordinator) {
			r := c.Run(context.Background(), func(ctx context.Context) error {
				go c.Exit(3) // within main: before Run it would drain without one
				return untilStopped(ctx)
			})
			say("Run returned")
			os.Exit(r.ExitCode())
		},
	},
	{
		name: "in another goroutine under Run, whose caller does not", code: 3, said: []string{"last", "Run returned"},
		play: func(c *shutdown.Coordinator) {
			c.Run(context.Background(), func(ctx context.Context) error {
				go c.Exit(3)
				return untilStopped(ctx)
			})
			say("Run returned")
			select {}
		},
	},
	{
		name: "twice, the first counts", code: 3,
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			go c.Exit(3)
			<-ctx.Done()
			c.Exit(4)
			return nil
		}),
	},
	{
		name: "with 0 first, and 4 in a handler", code: 0, said: []string{"last"},
		play: func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { c.Exit(4); return nil })
			runs(func(c *shutdown.Coordinator, _ context.Context) error { c.Exit(0); return nil })(c)
		},
	},
	{name: "and nothing else", code: 3, play: func(c *shutdown.Coordinator) { c.Exit(3) }},
	{name: "with 0 and nothing else", code: 0, play: func(c *shutdown.Coordinator) { c.Exit(0) }},
	{
		name: "of a program without Run by two goroutines", code: 3,
		play: func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { go c.Exit(4); return nil })
			c.Exit(3)
		},
	},
	{
		name: "of a program without Run with a failing handler", code: 1, logs: []string{errTest.Error()},
		play: func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { return errTest })
			c.Exit(0)
		},
	},
}

// deferredExits are programs with a deferred Exit in a main function that uses nothing else.
var deferredExits = []exitCase{
	{name: "return", code: 3, play: func(c *shutdown.Coordinator) { defer c.Exit(3) }},
	{name: "return with 0", code: 0, play: func(c *shutdown.Coordinator) { defer c.Exit(0) }},
	{
		name: "Goexit", code: 3,
		play: func(c *shutdown.Coordinator) { defer c.Exit(3); runtime.Goexit() },
	},
	{
		name: "Goexit with 0", code: 1,
		play: func(c *shutdown.Coordinator) { defer c.Exit(0); runtime.Goexit() },
	},
	{
		name: "panic", code: 2, logs: []string{"panic: boom\n", "explode"},
		play: func(c *shutdown.Coordinator) { defer c.Exit(3); explode("boom") },
	},
	{
		name: "a panic with an error", code: 2, logs: []string{errTest.Error(), "explode"},
		play: func(c *shutdown.Coordinator) { defer c.Exit(0); explode(errTest) },
	},
	{
		name: "a nil dereference", code: 2, logs: []string{"nil pointer dereference", "goroutine 1"},
		play: func(c *shutdown.Coordinator) {
			defer c.Exit(0)
			var r *exitCase
			say("%s", r.name)
		},
	},
	{
		name: "a recovered panic, in a deferred closure", code: 5,
		play: func(c *shutdown.Coordinator) {
			defer func() {
				if recover() != nil {
					c.Exit(5)
				}
			}()
			explode("boom")
		},
	},
	{
		name: "a recovered panic, Exit deferred before", code: 5,
		play: func(c *shutdown.Coordinator) {
			defer c.Exit(5)
			defer func() { _ = recover() }()
			explode("boom")
		},
	},
	{
		name: "a panic, in a closure that does not recover", code: 5,
		play: func(c *shutdown.Coordinator) {
			defer func() { c.Exit(5) }()
			explode("boom")
		},
	},
	{
		name: "Main before it, whose main panics", code: 2, logs: []string{"panic: boom", "explode"},
		play: func(c *shutdown.Coordinator) {
			defer c.Exit(0)
			c.Main(func(context.Context) error { explode("boom"); return nil })
		},
	},
	{
		name: "Main before it, whose code it has not", code: 1,
		play: func(c *shutdown.Coordinator) {
			defer c.Exit(0)
			c.Main(func(context.Context) error { return errTest })
		},
	},
	{
		name: "Run before it", code: 4, said: []string{"last"},
		play: func(c *shutdown.Coordinator) {
			defer c.Exit(4)
			c.Run(context.Background(), func(context.Context) error { return nil })
		},
	},
}

// crashes are programs that panic in main.
var crashes = []exitCase{
	{name: "a string", code: 2, logs: []string{"panic: boom", "explode"}, play: panics("boom")},
	{name: "an error", code: 2, logs: []string{"panic: ", errTest.Error(), "explode"}, play: panics(errTest)},
	{name: "nil", code: 2, logs: []string{"panic called with nil argument", "explode"}, play: panics(nil)},
	{
		name: "an ExitError, whose code does not count", code: 2, logs: []string{"explode"},
		play: panics(&shutdown.ExitError{Code: 7}),
	},
	{
		name: "a nested panic", code: 2, logs: []string{"panic: first", "panic: second", "explode"},
		play: runs(func(*shutdown.Coordinator, context.Context) error {
			defer explode("second")
			explode("first")
			return nil
		}),
	},
	{
		name: "a panic that was recovered and thrown again", code: 2, logs: []string{"panic: boom", "explode"},
		play: runs(func(*shutdown.Coordinator, context.Context) error {
			defer func() { panic(recover()) }()
			explode("boom")
			return nil
		}),
	},
	{
		name: "a panic after Exit in another goroutine", code: 2, logs: []string{"panic: boom"},
		play: runs(func(c *shutdown.Coordinator, ctx context.Context) error {
			go c.Exit(3)
			<-ctx.Done()
			explode("boom")
			return nil
		}),
	},
	{
		name: "a panic and a failing handler", code: 2, logs: []string{"panic: boom", errTest.Error()},
		play: func(c *shutdown.Coordinator) {
			c.Register(func(context.Context) error { return errTest })
			panics("boom")(c)
		},
	},
	{
		name: "a panic in a deferred function of a Goexit", code: 2, logs: []string{"panic: boom"},
		play: runs(func(*shutdown.Coordinator, context.Context) error {
			defer explode("boom")
			runtime.Goexit()
			return nil
		}),
	},
	{
		name: "a Goexit", code: 1, logs: []string{`"outcome":"goexited"`},
		play: runs(func(*shutdown.Coordinator, context.Context) error { runtime.Goexit(); return nil }),
	},
	{
		name: "a Goexit that ends a panic", code: 1, logs: []string{`"outcome":"goexited"`},
		play: runs(func(*shutdown.Coordinator, context.Context) error {
			defer runtime.Goexit()
			explode("boom")
			return nil
		}),
	},
	{
		name: "a panic in a goroutine that nobody owns, which runs no handler", code: 2,
		said: []string{}, logs: []string{"panic: boom"},
		play: runs(func(_ *shutdown.Coordinator, ctx context.Context) error {
			go explode("boom")
			<-ctx.Done()
			return nil
		}),
	},
}

func panics(value any) func(*shutdown.Coordinator) {
	return runs(func(*shutdown.Coordinator, context.Context) error { explode(value); return nil })
}

// notInterceptable are programs that end without the Coordinator.
var notInterceptable = []exitCase{
	{
		name: "os.Exit", code: 6, said: []string{},
		play: hasHandler(func(*shutdown.Coordinator) error { os.Exit(6); return nil }),
	},
	{
		name: "log.Fatal", code: 1, said: []string{}, logs: []string{"fatal"},
		play: hasHandler(func(*shutdown.Coordinator) error { log.Fatal("fatal"); return nil }),
	},
}

func init() {
	playAll("exit code: ", exitCodes)
	playAll("Exit: ", exitCalls)
	playAll("defer Exit: ", deferredExits)
	playAll("crash: ", crashes)
	playAll("handler calls ", notInterceptable)
}

func TestProcessExitCode(t *testing.T)             { testAll(t, "exit code: ", exitCodes) }
func TestProcessExitCalled(t *testing.T)           { testAll(t, "Exit: ", exitCalls) }
func TestProcessExitDeferred(t *testing.T)         { testAll(t, "defer Exit: ", deferredExits) }
func TestProcessMainPanics(t *testing.T)           { testAll(t, "crash: ", crashes) }
func TestProcessExitNotInterceptable(t *testing.T) { testAll(t, "handler calls ", notInterceptable) }

func init() {
	scenario("all of Default", func() {
		shutdown.Register(says("last"))
		shutdown.Register(says("never"), shutdown.Name("gone"))
		shutdown.NewScope("scope").Register(says("in the scope"))
		say("unregistered %d", shutdown.Unregister("gone"))
		os.Exit(shutdown.Main(func(ctx context.Context) error {
			release, ok := shutdown.Hold("work")
			defer release()
			shutdown.Stop(errTest)
			say("held %t, %t", ok, errors.Is(shutdown.Shutdown(ctx), shutdown.ErrInProgress))
			return nil
		}))
	})
	scenario("package-level functions", func() {
		shutdown.Register(says("last"))
		shutdown.Register(func(context.Context) error { shutdown.Exit(3); return nil })
		os.Exit(shutdown.Main(func(context.Context) error { return nil }))
	})
	scenario("package-level Exit, deferred, panic", func() {
		shutdown.Register(says("last"))
		defer shutdown.Exit(3)
		explode("boom")
	})
	scenario("package-level Exit, deferred, Goexit", func() {
		shutdown.Register(says("last"))
		defer shutdown.Exit(0)
		runtime.Goexit()
	})
}

func TestProcessDefaultCoordinator(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{
		"package-level functions":              3,
		"package-level Exit, deferred, panic":  2,
		"package-level Exit, deferred, Goexit": 1,
	} {
		p := start(t, name)
		p.exits(code)
		p.said("last")
	}
}

func TestProcessDefaultHasAllThatACoordinatorHas(t *testing.T) {
	t.Parallel()
	p := start(t, "all of Default")
	p.exits(1) // Stop's cause
	p.said("unregistered 1", "held true, true", "in the scope", "last")
}

// If Exit is deferred, nothing recovers the panic, and the output is the same as without Exit. Main
// recovers the panic and throws it again, once.
func TestProcessCrashOutputIsPristine(t *testing.T) {
	t.Parallel()
	p := start(t, "defer Exit: panic")
	p.exits(2)
	if strings.Contains(p.err.String(), "recovered") {
		t.Errorf("the panic was recovered on its way\n%s", p)
	}
	p = start(t, "crash: a string")
	p.exits(2)
	if n := strings.Count(p.err.String(), "recovered"); n != 1 {
		t.Errorf("the panic was recovered %d times, want 1\n%s", n, p)
	}
}

// The value and the stack of a panic must be printed at once: the process may be killed before it
// has drained.
func TestProcessPanicIsLoggedBeforeTheHandlers(t *testing.T) {
	t.Parallel()
	p := start(t, "panic, then a handler that looks at the log")
	p.exits(2)
	p.said("handler found boom in the log")
}

func init() {
	scenario("panic, then a handler that looks at the log", func() {
		logged := &transcript{}
		logger := zerologTo(logged)
		c := &shutdown.Coordinator{Grace: exitGrace, Logger: &logger}
		c.Register(func(ctx context.Context) error {
			for !strings.Contains(logged.String(), "boom") || !strings.Contains(logged.String(), "explode") {
				if ctx.Err() != nil {
					return errors.New("nothing in the log")
				}
				time.Sleep(time.Millisecond)
			}
			say("handler found boom in the log")
			return nil
		})
		panics("boom")(c)
	})
}
