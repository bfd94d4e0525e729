package group_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

const s = time.Second

// The numbers follow from the schedule: with R left and n tasks, each is promised
// min(1 s, R/2n) or its Reserve; a task may use what is left less the promises to
// those after it; it is cut 5 % of that earlier, at least 25 ms and at most 500 ms.
func TestLimit(t *testing.T) {
	type tasks = []struct {
		name string
		opts []group.Option
	}
	for _, tt := range []struct {
		name  string
		group *group.Group
		tasks tasks
		want  []string
		stuck []string
	}{
		{
			"by default is 25 s", &group.Group{},
			tasks{{"a", nil}},
			[]string{"0s a told", "24.5s a cut", "25s Run returns"},
			[]string{"a: stuck 25s"},
		}, {
			"is the Grace of the group", &group.Group{Grace: 10 * s},
			tasks{{"a", nil}},
			[]string{"0s a told", "9.5s a cut", "10s Run returns"},
			[]string{"a: stuck 10s"},
		}, {
			"leaves each task its share", &group.Group{Grace: 10 * s},
			tasks{{"a", nil}, {"b", nil}, {"c", nil}},
			[]string{
				"0s c told", "7.6s c cut", "8s b told", "8.95s b cut", "9s a told", "9.95s a cut", "10s Run returns",
			},
			[]string{"c: stuck 8s", "b: stuck 1s", "a: stuck 1s"},
		}, {
			"leaves small shares of a small Grace", &group.Group{Grace: 1 * s},
			tasks{{"a", nil}, {"b", nil}},
			[]string{"0s b told", "712.5ms b cut", "750ms a told", "975ms a cut", "1s Run returns"},
			[]string{"b: stuck 750ms", "a: stuck 250ms"},
		}, {
			"is shared by the tasks of a concurrent group",
			&group.Group{Grace: 10 * s, Concurrent: true},
			tasks{{"a", []group.Option{group.Timeout(2 * s)}}, {"b", []group.Option{group.Timeout(4 * s)}}, {"c", nil}},
			[]string{"0s told", "0s told", "0s told", "1.9s a cut", "3.8s b cut", "9.5s c cut", "10s Run returns"},
			[]string{"c: stuck 10s", "b: stuck 4s", "a: stuck 2s"},
		}, {
			"is a task's Timeout", &group.Group{},
			tasks{{"a", nil}, {"b", []group.Option{group.Timeout(2 * s)}}},
			[]string{"0s b told", "1.9s b cut", "2s a told", "24.5s a cut", "25s Run returns"},
			[]string{"b: stuck 2s", "a: stuck 23s"},
		}, {
			"keeps half of a tiny Timeout for the return",
			&group.Group{},
			tasks{{"a", []group.Option{group.Timeout(20 * time.Millisecond)}}},
			[]string{"0s a told", "10ms a cut", "20ms Run returns"},
			[]string{"a: stuck 20ms"},
		}, {
			"keeps a task's Reserve from those before it",
			&group.Group{Grace: 10 * s},
			tasks{{"a", []group.Option{group.Reserve(6 * s)}}, {"b", nil}},
			[]string{"0s b told", "3.8s b cut", "4s a told", "9.7s a cut", "10s Run returns"},
			[]string{"b: stuck 4s", "a: stuck 6s"},
		}, {
			"promises no more than the Timeout",
			&group.Group{Grace: 10 * s},
			tasks{{"a", []group.Option{group.Reserve(6 * s), group.Timeout(2 * s)}}, {"b", nil}},
			[]string{"0s b told", "7.6s b cut", "8s a told", "9.9s a cut", "10s Run returns"},
			[]string{"b: stuck 8s", "a: stuck 2s"},
		}, {
			"scales promises down to nine tenths",
			&group.Group{Grace: 10 * s},
			tasks{{"a", []group.Option{group.Reserve(80 * s)}}, {"b", []group.Option{group.Reserve(10 * s)}}},
			[]string{"0s b told", "1.9s b cut", "2s a told", "9.6s a cut", "10s Run returns"},
			[]string{"b: stuck 2s", "a: stuck 8s"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, release := newDiary(), make(chan struct{})
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				for _, k := range tt.tasks {
					tt.group.Go(k.name, d.deaf(k.name, release), k.opts...)
				}
				err := tt.group.Run(ctx)
				d.note("Run returns")
				close(release)
				if tt.group.Concurrent {
					d.anyOrderTold()
					slices.SortFunc(tt.stuck, strings.Compare)
				}
				d.check(t, tt.want...)
				got := failures(err)
				if tt.group.Concurrent {
					slices.Sort(got)
				}
				if !slices.Equal(got, tt.stuck) {
					t.Errorf("Run's error = %q, want %q", got, tt.stuck)
				}
			})
		})
	}
}

// anyOrderTold takes out who of those that are told at once was first.
func (d *diary) anyOrderTold() {
	for i, line := range d.lines {
		if strings.HasPrefix(line, "0s ") {
			d.lines[i] = "0s told"
		}
	}
}

func TestTimeNotUsedGoesToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, release := newDiary(), make(chan struct{})
		g := group.Group{Grace: 10 * s}
		g.Go("a", d.deaf("a", release))
		g.Go("b", d.obeys("b", 3*s))
		g.Go("c", fails(0, nil))
		checkFailures(t, g.Run(context.Background()), "a: stuck 7s")
		close(release)
		d.check(t, "0s b told", "3s b ends", "3s a told", "9.65s a cut")
	})
}

func TestStuckTask(t *testing.T) {
	t.Run("is named with its stacks, those of its goroutines too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var g group.Group
			g.Go("deaf", func(context.Context) error {
				go child(release)
				blocked(release)
				return nil
			})
			g.Go("polite", waits)
			g.Go("first", fails(0, nil))
			err := g.Run(context.Background())
			close(release)

			var stuck *group.StuckError
			if !errors.As(err, &stuck) {
				t.Fatalf("Run() = %v, want a *StuckError", err)
			}
			if stuck.Name != "deaf" {
				t.Errorf("Name = %q, want %q", stuck.Name, "deaf")
			}
			for _, function := range []string{"group_test.blocked", "group_test.child"} {
				if !strings.Contains(stuck.Stack, function) {
					t.Errorf("the stack lacks %s:\n%s", function, stuck.Stack)
				}
			}
			for _, not := range []string{"group_test.waits", "internal/tree"} {
				if strings.Contains(stuck.Stack, not) {
					t.Errorf("the stack has %s:\n%s", not, stuck.Stack)
				}
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Is(%v, DeadlineExceeded) = false, want true", err)
			}
		})
	})
	t.Run("keeps Done open until it has returned after all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var g group.Group
			deaf := g.Go("deaf", func(context.Context) error { <-release; return errBoom })
			g.Go("first", fails(0, nil))
			checkFailures(t, g.Run(context.Background()), "deaf: stuck 25s")
			if isClosed(deaf.Done()) {
				t.Error("Done of a stuck task is closed, want open")
			}
			close(release)
			<-deaf.Done()
		})
	})
	t.Run("is swallowed when it panics or exits after all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var g group.Group
			g.Go("a", func(context.Context) error { <-release; panic("late") })
			g.Go("b", func(context.Context) error { <-release; goexit(); return nil })
			g.Go("first", fails(0, nil))
			checkFailures(t, g.Run(context.Background()), "b: stuck 24s", "a: stuck 1s")
			close(release)
		})
	})
	t.Run("does not keep the rest from being told and cut when no time is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var told, cut atomic.Int32
			release := make(chan struct{})
			g := group.Group{Grace: 1}
			for range 3 {
				g.Go("a", func(ctx context.Context) error {
					context.AfterFunc(ctx, func() { told.Add(1) })
					context.AfterFunc(group.WorkContext(ctx), func() { cut.Add(1) })
					<-release
					return nil
				})
			}
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &g)
			cancel()
			if got := failures(wait()); len(got) != 3 {
				t.Errorf("Run's error = %q, want three", got)
			}
			synctest.Wait()
			if told.Load() != 3 || cut.Load() != 3 {
				t.Errorf("told %d and cut %d of 3 tasks", told.Load(), cut.Load())
			}
			close(release)
		})
	})
}

func child(release <-chan struct{})   { <-release }
func blocked(release <-chan struct{}) { <-release }

func TestLateTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group.Group
		g.Go("late", func(ctx context.Context) error {
			<-group.WorkContext(ctx).Done()
			time.Sleep(100 * time.Millisecond)
			return errBoom
		})
		g.Go("first", fails(0, nil))
		err := g.Run(context.Background())
		var stuck *group.StuckError
		if errors.As(err, &stuck) {
			t.Errorf("Run() = %v, want no *StuckError", err)
		}
		for _, target := range []error{context.DeadlineExceeded, errBoom} {
			if !errors.Is(err, target) {
				t.Errorf("Is(%v, %v) = false, want true", err, target)
			}
		}
	})
}

func checkStuckIn(t *testing.T, err error, function string) {
	t.Helper()
	var stuck *group.StuckError
	if !errors.As(err, &stuck) {
		t.Fatalf("Run() = %v, want a *StuckError", err)
	}
	if !strings.Contains(stuck.Stack, function) {
		t.Errorf("the stack lacks %s:\n%s", function, stuck.Stack)
	}
}
