package group_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func TestErrorsAreJoined(t *testing.T) {
	t.Run("the first failure first, then in the order in which the tasks end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			bad := func(what string) task {
				return func(ctx context.Context) error { <-ctx.Done(); return errors.New(what) }
			}
			var g group.Group
			g.Go("a", bad("1"))
			g.Go("b", fails(s, errBoom))
			g.Go("c", bad("2"))
			err := g.Run(context.Background())
			checkFailures(t, err, "b: boom", "c: 2", "a: 1")
			want := "task \"b\": boom\ntask \"c\": 2\ntask \"a\": 1"
			if err.Error() != want {
				t.Errorf("Error() = %q, want %q", err, want)
			}
		})
	})
	t.Run("also if the task with the first failure ends last", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Add("bad", fails(0, errBoom), func(context.Context) error { time.Sleep(s); return nil })
			g.Go("z", func(ctx context.Context) error { <-ctx.Done(); return errors.New("z") })
			checkFailures(t, g.Run(context.Background()), "bad: boom", "z: z")
		})
	})
	t.Run("a single error is not wrapped in a join", func(t *testing.T) {
		var g group.Group
		g.Go("a", fails(0, errBoom))
		err := g.Run(context.Background())
		if e, ok := err.(*group.TaskError); !ok || e.Name != "a" || e.Err != errBoom {
			t.Errorf("Run() = %#v, want the *TaskError of a", err)
		}
	})
	t.Run("with the errors of tasks that failed before they were told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("a", fails(2*s, errors.New("on its own")))
			g.Go("b", fails(1*s, errBoom))
			g.Go("c", newDiary().obeys("c", 3*s))
			checkFailures(t, g.Run(context.Background()), "b: boom", "a: on its own")
		})
	})
}

// TestExcused checks which errors of a task that was asked to stop are no failures.
func TestExcused(t *testing.T) {
	errCause := errors.New("the cause")
	for _, tt := range []struct {
		name    string
		returns func(ctx, parent context.Context) error
		excused bool
	}{
		{"nil", func(_, _ context.Context) error { return nil }, true},
		{"its context's error", func(ctx, _ context.Context) error { return ctx.Err() }, true},
		{"its context's cause", func(ctx, _ context.Context) error { return context.Cause(ctx) }, true},
		{"the error wrapped", func(ctx, _ context.Context) error { return fmt.Errorf("reading: %w", ctx.Err()) }, true},
		{"the cause wrapped twice", func(ctx, _ context.Context) error {
			return fmt.Errorf("serving: %w", fmt.Errorf("reading: %w", context.Cause(ctx)))
		}, true},
		{"a join of both", func(ctx, _ context.Context) error { return errors.Join(ctx.Err(), context.Cause(ctx)) }, true},
		{"a join with another", func(ctx, _ context.Context) error { return errors.Join(ctx.Err(), errBoom) }, false},
		{"two wrapped with another", func(ctx, _ context.Context) error {
			return fmt.Errorf("%w, %w", ctx.Err(), errBoom)
		}, false},
		{"the error of the parent's context", func(_, parent context.Context) error { return parent.Err() }, true},
		{"a deadline of its own", func(context.Context, context.Context) error { return context.DeadlineExceeded }, false},
		{"an error whose Is says that it is context.Canceled", func(context.Context, context.Context) error { return pretends{} }, true},
		{"the error of a canceled dial", func(ctx, _ context.Context) error {
			_, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:1")
			return err
		}, true},
		{"an error that cannot be compared", func(context.Context, context.Context) error { return incomparable{errBoom} }, false},
		{"another error", func(context.Context, context.Context) error { return errBoom }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(context.Background())
				var g group.Group
				g.Go("a", func(ctx context.Context) error { <-ctx.Done(); return tt.returns(ctx, parent) })
				wait := started(parent, &g)
				cancel(errCause)
				if err := wait(); (err == nil) != tt.excused {
					t.Errorf("Run() = %v, want excused = %v", err, tt.excused)
				}
			})
		})
	}
}

type pretends struct{}

func (pretends) Error() string   { return "pretends" }
func (pretends) Is(e error) bool { return e == context.Canceled }

type incomparable []error

func (incomparable) Error() string { return "incomparable" }

func TestErrorOfTheParentsContext(t *testing.T) {
	errCause := errors.New("the cause")
	t.Run("is excused before the task's turn, and the others get the cause", func(t *testing.T) {
		for range 200 {
			parent, cancel := context.WithCancelCause(context.Background())
			var g group.Group
			var heard error
			g.Go("a", func(ctx context.Context) error {
				<-ctx.Done()
				heard = context.Cause(ctx)
				return nil
			})
			g.Go("b", func(context.Context) error {
				cancel(errCause)
				return parent.Err()
			})
			checkFailures(t, g.Run(parent))
			if heard != errCause {
				t.Fatalf("Cause = %v, want %v", heard, errCause)
			}
		}
	})
	for _, told := range []bool{false, true} {
		t.Run(fmt.Sprintf("is excused for a deadline with a cause, told = %v", told), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithTimeoutCause(context.Background(), s, errCause)
				defer cancel()
				var g group.Group
				g.Go("a", func(ctx context.Context) error {
					<-parent.Done()
					if told {
						<-ctx.Done()
					}
					return parent.Err()
				})
				g.Go("slow", newDiary().obeys("slow", s))
				checkFailures(t, g.Run(parent))
			})
		})
	}
	t.Run("is a failure while the parent has not ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go("a", fails(s, context.Canceled))
			checkFailures(t, g.Run(context.Background()), "a: context canceled")
		})
	})
}

func TestErrorTexts(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&group.TaskError{Name: "a", Err: errBoom}, `task "a": boom`},
		{&group.PanicError{Value: "oops"}, "panic: oops"},
		{&group.StuckError{Name: "a", Elapsed: 1500 * time.Millisecond}, "still running 1.5s after it was told to stop"},
		{group.ErrStopped, "group: the group has stopped; a Group runs once, make a new one in the task that runs it"},
		{group.ErrGoexit, "group: runtime.Goexit was called"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}

func TestPanicErrorLooksIntoItsValue(t *testing.T) {
	p := &group.PanicError{Value: &group.TaskError{Name: "inner", Err: errBoom}}
	var e *group.TaskError
	if !errors.As(p, &e) || e.Name != "inner" || !errors.Is(p, errBoom) {
		t.Errorf("As = %v, Is(boom) = %v, want the value and true", e, errors.Is(p, errBoom))
	}
	p.Value = "text"
	if errors.As(p, &e) || errors.Is(p, errBoom) {
		t.Error("a value that is no error is found as one")
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func(g *group.Group) (site string)
		want string
	}{
		{"are as given", func(g *group.Group) string { g.Go("given", broken); return "" }, "given"},
		{"default to the function's", func(g *group.Group) string { g.Go("", broken); return "" }, "group_test.broken"},
		{"default to the method's", func(g *group.Group) string { g.Go("", new(thing).broken); return "" }, "group_test.(*thing).broken"},
		{"default to the execute's", func(g *group.Group) string { g.Add("", broken, succeeds); return "" }, "group_test.broken"},
		{"default to the site for closures", func(g *group.Group) string {
			g.Go("", func(context.Context) error { return errBoom })
			return above()
		}, ""},
		{"default to the site for closures of pairs", func(g *group.Group) string {
			g.Add("", func(context.Context) error { return errBoom }, succeeds)
			return above()
		}, ""},
		{"default to the site for actors", func(g *group.Group) string {
			g.AddActor("", func() error { return errBoom }, func(error) {})
			return above()
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var g group.Group
			want := tt.add(&g) + tt.want
			var e *group.TaskError
			if err := g.Run(context.Background()); !errors.As(err, &e) || e.Name != want {
				t.Errorf("Run() = %v, want the error of %q", err, want)
			}
		})
	}
}

func broken(context.Context) error { return errBoom }

type thing struct{}

func (*thing) broken(context.Context) error { return errBoom }
