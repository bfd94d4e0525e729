package group_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func goexit()  { runtime.Goexit() }
func thrower() { panic(errBoom) }

func goexitThrower() {
	defer thrower()
	runtime.Goexit()
}

// misdeeds are the ways of a function to end without returning.
var misdeeds = []struct {
	name  string
	do    func()
	check func(*testing.T, error)
}{
	{"panics", thrower, func(t *testing.T, err error) {
		var p *group.PanicError
		if !errors.As(err, &p) {
			t.Fatalf("the error is %v, want a *PanicError", err)
		}
		if p.Value != error(errBoom) {
			t.Errorf("Value = %v, want %v", p.Value, errBoom)
		}
		if !bytes.Contains(p.Stack, []byte("group_test.thrower")) {
			t.Errorf("the stack lacks the function that panicked:\n%s", p.Stack)
		}
		if !errors.Is(err, errBoom) {
			t.Errorf("Is(%v, what was thrown) = false, want true", err)
		}
	}},
	{"panics with nil", func() { panic(nil) }, func(t *testing.T, err error) {
		var p *group.PanicError
		var n *runtime.PanicNilError
		if !errors.As(err, &p) || !errors.As(err, &n) {
			t.Errorf("the error is %v, want a *PanicError with a *runtime.PanicNilError", err)
		}
	}},
	{"panics in a deferred function of a Goexit", goexitThrower, func(t *testing.T, err error) {
		var p *group.PanicError
		if !errors.As(err, &p) || p.Value != error(errBoom) {
			t.Errorf("the error is %v, want a *PanicError of %v", err, errBoom)
		}
	}},
	{"calls Goexit", goexit, func(t *testing.T, err error) {
		if !errors.Is(err, group.ErrGoexit) {
			t.Errorf("the error is %v, want ErrGoexit", err)
		}
	}},
}

// TestMisdeeds tries each of them in each function that a group calls. A group of oklog/run hangs
// or crashes then; errgroup and conc take a Goexit for success.
func TestMisdeeds(t *testing.T) {
	for _, m := range misdeeds {
		does := func(context.Context) error { m.do(); return nil }
		told := func(ctx context.Context) error { <-ctx.Done(); m.do(); return nil }
		for _, tt := range []struct {
			name string
			add  func(*group.Group)
		}{
			{"a task that", func(g *group.Group) { g.Go("bad", does) }},
			{"a task that may finish and", func(g *group.Group) { g.Go("bad", does, group.MayFinish()) }},
			{"an execute that", func(g *group.Group) { g.Add("bad", does, succeeds) }},
			{"an actor that", func(g *group.Group) {
				g.AddActor("bad", func() error { m.do(); return nil }, func(error) {})
			}},
			{"a task that is told and", func(g *group.Group) {
				g.Go("bad", told)
				g.Go("first", succeeds)
			}},
			{"an interrupt that", func(g *group.Group) {
				g.Add("bad", succeeds, does)
			}},
			{"an actor's interrupt that", func(g *group.Group) {
				g.AddActor("bad", func() error { return nil }, func(error) { m.do() })
			}},
			{"the interrupt of a task that has finished", func(g *group.Group) {
				g.Add("bad", succeeds, does, group.MayFinish())
			}},
		} {
			t.Run(tt.name+" "+m.name+" stops the group", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var g group.Group
					g.Go("a", waits)
					tt.add(&g)
					g.Go("z", waits)
					ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
					defer cancel()
					err := g.Run(ctx)
					m.check(t, err)
					if ctx.Err() != nil {
						t.Error("it has not stopped the group")
					}
					var e *group.TaskError
					if !errors.As(err, &e) || e.Name != "bad" {
						t.Errorf("Run() = %v, want the *TaskError of %q", err, "bad")
					}
				})
			})
		}
	}
}

func succeeds(context.Context) error { return nil }
