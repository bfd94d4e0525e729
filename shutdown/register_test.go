package shutdown_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

func TestHandlersRunLastInFirstOut(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("1"))
		p.Start(func(ctx context.Context) error {
			j.add("task 2 begins")
			<-ctx.Done()
			j.add("task 2 ends")
			return nil
		})
		p.Register(j.note("3"))
		scope := p.Scope("four")
		scope.Register(j.note("4.1"))
		inner := scope.Scope("")
		inner.Register(j.note("4.2.1"))
		scope.Register(j.note("4.3"))
		inner.Register(j.note("4.2.2"))
		p.Register(j.note("5"))
		scope.Register(j.note("4.4"))
		p.runs(p.takes(s))
		j.want(t, "task 2 begins", "5", "4.4", "4.3", "4.2.2", "4.2.1", "4.1", "3", "task 2 ends", "1")
	})
}

func TestEachHandlerIsAwaited(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("older"))
		p.Register(func(context.Context) error {
			time.Sleep(5 * s)
			j.add("newer")
			return nil
		})
		p.runs(nothing)
		j.want(t, "newer", "older")
	})
}

func TestRegisterInsideAHandler(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("oldest"))
		scope := p.Scope("scope")
		scope.Register(j.note("in the scope"))
		p.Register(func(context.Context) error {
			scope.Register(j.note("added to the scope"))
			p.Register(j.note("added first"))
			p.Register(func(context.Context) error {
				p.Register(j.note("added by what was added"))
				return nil
			})
			return nil
		})
		p.runs(nothing)
		j.want(t, "added by what was added", "added first", "added to the scope", "in the scope", "oldest")
	})
}

func TestRegisteredAfterTheEnd(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.runs(nothing)
		for name, r := range map[string]*shutdown.Registration{
			"late handler": p.Register(nothing, shutdown.Name("late handler")),
			"late task":    p.Start(nothing, shutdown.Name("late task")),
			"in late":      p.Scope("late scope").Register(nothing, shutdown.Name("in late")),
		} {
			if r.Err() != shutdown.ErrDrained {
				t.Errorf("%s: Err = %v, want ErrDrained", name, r.Err())
			}
			if r.Unregister() || r.Close(context.Background()) != nil {
				t.Errorf("%s can be unregistered or closed", name)
			}
		}
		time.Sleep(s) // for the log
		for _, name := range []string{"late handler", "late task", "in late"} {
			if !strings.Contains(p.log.String(), `"step":"`+name+`"`) {
				t.Errorf("%s: not in the log:\n%s", name, p.log)
			}
		}
	})
}

func TestARegistrationInTimeHasNoError(t *testing.T) {
	inBubble(t, func(p *bubble) {
		r := p.Register(nothing)
		p.runs(nothing)
		if r.Err() != nil {
			t.Errorf("Err = %v", r.Err())
		}
	})
}

func TestTheSameFunctionRunsAsOftenAsItWasRegistered(t *testing.T) {
	inBubble(t, func(p *bubble) {
		n := 0
		h := func(context.Context) error { n++; return nil }
		p.Register(h)
		p.Register(h)
		p.runs(nothing)
		if n != 2 {
			t.Errorf("ran %d times, want 2", n)
		}
	})
}

func TestUnregister(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		never := func(context.Context) error { t.Error("an unregistered handler ran"); return nil }
		byHandle := p.Register(never)
		p.Register(never, shutdown.Name("gone"))
		p.Register(j.note("stays"), shutdown.Name("stays"))
		scope := p.Scope("gone")
		scope.Register(never, shutdown.Name("gone"))
		scope.Scope("").Register(never, shutdown.Name("gone"))
		scope.Register(j.note("in the scope"))
		p.Start(never, shutdown.Name("gone")) // before Run, so it has not begun

		if !byHandle.Unregister() || byHandle.Unregister() {
			t.Error("by handle: want true, then false")
		}
		if n := p.Unregister("gone"); n != 4 {
			t.Errorf("by name: %d, want 4", n)
		}
		if n := p.Unregister("gone"); n != 0 {
			t.Errorf("by name again: %d, want 0", n)
		}
		if n := p.Unregister("nobody"); n != 0 {
			t.Errorf("nobody: %d, want 0", n)
		}
		if err := p.runs(nothing).Err(); err != nil {
			t.Error(err)
		}
		j.want(t, "in the scope", "stays")
		if p.Unregister("stays") != 0 {
			t.Error("what has run was unregistered")
		}
	})
}

func TestUnregisterInsideAHandler(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		var self *shutdown.Registration
		p.Register(j.note("oldest"))
		next := p.Register(j.note("next"))
		p.Register(j.note("by name"), shutdown.Name("by name"))
		self = p.Register(func(context.Context) error {
			if self.Unregister() {
				t.Error("a handler that runs has unregistered itself")
			}
			if !next.Unregister() || p.Unregister("by name") != 1 {
				t.Error("a handler could not unregister those to come")
			}
			return nil
		})
		p.runs(nothing)
		j.want(t, "oldest")
	})
}

func TestATaskThatRunsCannotBeUnregistered(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.runs(func(context.Context) error {
			r := p.Start(obey, shutdown.Name("task"))
			if r.Unregister() || p.Unregister("task") != 0 {
				t.Error("a running task was unregistered")
			}
			return nil
		})
	})
}

func TestUnregisterByNameInAScopeThatRunsBesideOthers(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("side by side", shutdown.Concurrent())
		inner := scope.Scope("inner")
		inner.Register(nothing, shutdown.Name("next"))
		inner.Register(p.takes(2 * s))
		scope.Register(func(context.Context) error {
			time.Sleep(s)
			if n := p.Unregister("next"); n != 1 {
				t.Errorf("Unregister = %d, want 1", n)
			}
			return nil
		})
		for _, got := range p.runs(nothing).Steps {
			if got.Name == "next" {
				t.Error("it ran all the same")
			}
		}
	})
}

func TestMisbehavingHandlers(t *testing.T) {
	failure := errors.New("flush failed")
	for _, tt := range []struct {
		name    string
		handler func(context.Context) error
		outcome shutdown.Outcome
		check   func(error) bool
	}{
		{"an error", fails(failure), shutdown.OutcomeFailed, func(err error) bool { return errors.Is(err, failure) }},
		{"a panic", func(context.Context) error { panic("boom") }, shutdown.OutcomePanicked, func(err error) bool {
			var p *group.PanicError
			return errors.As(err, &p) && p.Value == "boom" && bytes.Contains(p.Stack, []byte("register_test.go"))
		}},
		{"a panic with an error", func(context.Context) error { panic(failure) }, shutdown.OutcomePanicked, func(err error) bool {
			return errors.Is(err, failure)
		}},
		{"panic(nil)", func(context.Context) error { panic(nil) }, shutdown.OutcomePanicked, func(err error) bool {
			var p *runtime.PanicNilError
			return errors.As(err, &p)
		}},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, shutdown.OutcomeGoexited, func(err error) bool {
			return errors.Is(err, group.ErrGoexit)
		}},
		{"a panic in a deferred function of a Goexit", func(context.Context) error {
			defer func() { panic(failure) }()
			runtime.Goexit()
			return nil
		}, shutdown.OutcomePanicked, func(err error) bool {
			return errors.Is(err, failure)
		}},
		{"a cancellation that nobody asked for", fails(context.Canceled), shutdown.OutcomeFailed, func(err error) bool {
			return errors.Is(err, context.Canceled)
		}},
		{"an error that cannot be compared", fails(incomparable{nil}), shutdown.OutcomeFailed, func(err error) bool {
			var i incomparable
			return errors.As(err, &i)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var j journal
				p.Register(j.note("next"))
				p.Register(tt.handler, shutdown.Name("bad"))
				p.Register(j.note("before"))
				report := p.runs(nothing)
				j.want(t, "before", "next")
				got := step(t, report, "bad")
				if got.Outcome != tt.outcome || !tt.check(got.Err) || !tt.check(report.Err()) {
					t.Errorf("Outcome = %v, Err = %v, the report's Err = %v; want %v", got.Outcome, got.Err, report.Err(), tt.outcome)
				}
				if tt.outcome == shutdown.OutcomePanicked && !strings.Contains(got.Stack, "register_test.go") {
					t.Errorf("Stack = %q, want that of the panic", got.Stack)
				}
				if !strings.Contains(report.Err().Error(), `"bad"`) {
					t.Errorf("Err = %v, want it to name the step", report.Err())
				}
				if report.ExitCode() != 1 {
					t.Errorf("exit code %d, want 1", report.ExitCode())
				}
			})
		})
	}
}

type incomparable struct{ list []int }

func (incomparable) Error() string { return "incomparable" }

func TestAllErrorsAreJoinedWithMainsFirst(t *testing.T) {
	inBubble(t, func(p *bubble) {
		a, b, m := errors.New("a"), errors.New("b"), errors.New("main")
		p.Register(fails(a), shutdown.Name("a"))
		p.Register(fails(b), shutdown.Name("b"))
		err := p.runs(fails(m)).Err()
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			p.t.Fatalf("Err = %v, want a join", err)
		}
		var order []error
		for _, e := range joined.Unwrap() {
			for _, want := range []error{a, b, m} {
				if errors.Is(e, want) {
					order = append(order, want)
				}
			}
		}
		if len(order) != 3 || order[0] != m || order[1] != b || order[2] != a {
			t.Errorf("Err joins %v, want main's, b's, a's", order)
		}
	})
}

func TestAPanicOfMain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		main  func(context.Context) error
		value func(any) bool
	}{
		{"a value", func(context.Context) error { panic("boom") }, func(v any) bool { return v == "boom" }},
		{"nil", func(context.Context) error { panic(nil) }, func(v any) bool { _, ok := v.(*runtime.PanicNilError); return ok }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				var logged string
				p.Register(shutdown.Func(func() {
					time.Sleep(s)
					logged = p.log.String()
				}))
				report := p.runs(tt.main)
				got := step(t, report, "main")
				var pe *group.PanicError
				if got.Outcome != shutdown.OutcomePanicked || !errors.As(got.Err, &pe) || !tt.value(pe.Value) {
					t.Errorf("main: %v, %v; want panicked with the value", got.Outcome, got.Err)
				}
				if report.ExitCode() != 2 || report.Err() == nil {
					t.Errorf("exit code %d, Err = %v; want 2 and the panic", report.ExitCode(), report.Err())
				}
				if !strings.Contains(logged, "panic: ") || !strings.Contains(logged, "register_test.go") {
					t.Errorf("the panic with its stack was not logged before the handlers:\n%s", logged)
				}
			})
		})
	}
}

func TestAGoexitOfMain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var j journal
		p.Register(j.note("handler"))
		report := p.runs(func(context.Context) error { runtime.Goexit(); return nil })
		if got := step(t, report, "main"); got.Outcome != shutdown.OutcomeGoexited || !errors.Is(got.Err, group.ErrGoexit) {
			t.Errorf("main: %v, %v; want goexited", got.Outcome, got.Err)
		}
		j.want(t, "handler")
	})
}

func TestThePanicOfAnAbandonedStepIsLogged(t *testing.T) {
	inBubble(t, func(p *bubble) {
		again := make(chan struct{})
		stuck := func(end func()) func(context.Context) error {
			return func(context.Context) error { <-again; end(); return nil }
		}
		p.Register(stuck(func() { panic("late") }), shutdown.Name("panics"), shutdown.Timeout(s))
		p.Register(stuck(runtime.Goexit), shutdown.Name("exits"), shutdown.Timeout(s))
		p.Register(stuck(func() {}), shutdown.Name("returns"), shutdown.Timeout(s))
		p.Register(func(context.Context) error {
			p.at(4*s, func() { close(again) })
			return nil
		})
		p.Start(stuck(func() { panic("late") }), shutdown.Name("task panics"), shutdown.Timeout(s))
		p.Go(context.Background(), "hold panics", stuck(func() { panic("late") }))
		p.Grace = 10 * s
		p.Register(p.takes(0))
		report := p.Run(context.Background(), func(context.Context) error { return nil })
		before := rows(report)
		time.Sleep(time.Minute)
		if d := cmp.Diff(before, rows(p.Report())); d != "" {
			t.Errorf("the report has changed:\n%s", d)
		}
		if n := strings.Count(p.log.String(), "abandoned step has ended"); n < 2 {
			t.Errorf("%d zombies in the log, want the panics and the Goexit:\n%s", n, p.log)
		}
	})
}

func TestNames(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(nothing)                                           // 0: a function
		p.Register(p.newCloser().close)                               // 1: a method
		p.Register(func(context.Context) error { return nil })        // 2: a closure
		p.Register(shutdown.Func(func() {}))                          // 3: adapters
		p.Register(shutdown.Closer(closer{nil}))                      // 4
		p.Register(nothing, shutdown.Name("named"))                   // 5
		p.Register(nothing, shutdown.Name(""))                        // 6
		p.Register(shutdown.Func(context.CancelFunc(func() {})))      // 7
		p.Scope("scope").Register(nothing)                            // 8
		p.Start(obey)                                                 // 9
		p.Start(func(ctx context.Context) error { return obey(ctx) }) // 10
		steps := p.runs(nothing).Steps[1:]
		line := func(i int) string { // "register_test.go:123" of the i-th
			site := steps[len(steps)-1-i].Site
			_, file, _ := strings.Cut(site, "/")
			return file
		}
		var names []string
		for i := range steps {
			names = append(names, steps[len(steps)-1-i].Name)
			if site := steps[i].Site; !strings.HasPrefix(site, "shutdown/register_test.go:") {
				t.Errorf("site %q, want this file", site)
			}
		}
		want := []string{
			"shutdown_test.nothing", "shutdown_test.closer.close", line(2), line(3), line(4), "named",
			"shutdown_test.nothing", line(7), "shutdown_test.nothing", "shutdown_test.obey", line(10),
		}
		if d := cmp.Diff(want, names); d != "" {
			t.Errorf("names (-want +got):\n%s", d)
		}
	})
}

func (p *bubble) newCloser() closer { return closer{nil} }

type closer struct{ err error }

func (c closer) Close() error                { return c.err }
func (c closer) close(context.Context) error { return c.err }

// One goroutine calls all handlers. A handler's labels and panics must not affect the next one.
func TestHandlersDoNotAffectEachOther(t *testing.T) {
	for name, newer := range map[string]func(context.Context) error{
		"a panic": func(context.Context) error { panic("x") },
		"Goexit":  func(context.Context) error { runtime.Goexit(); return nil },
		"Exit":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				if newer == nil {
					newer = func(context.Context) error { p.Exit(0); return nil }
				}
				p.Register(func(context.Context) error { return nil }, shutdown.Name("oldest"))
				p.Register(func(context.Context) error { return nil }, shutdown.Name("old"))
				p.Register(newer, shutdown.Name("new"))
				report := p.runs(func(context.Context) error { return nil })
				for _, name := range []string{"old", "oldest"} {
					if got := step(t, report, name); got.Outcome != shutdown.OutcomeOK || got.Err != nil {
						t.Errorf("%s: %v, %v after %s; want ok", name, got.Outcome, got.Err, "the newer one's end")
					}
				}
			})
		})
	}
}
