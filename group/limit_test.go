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

// The numbers follow from the formula in shutdown/doc.go. With R left and n tasks, the minimum of
// each is min(1 s, R/2n) or its Reserve. The budget of a task is the time left less the minimums
// of the tasks after it. The deadline is 5 % of the budget earlier, at least 25 ms and at most
// 500 ms.
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
			[]string{"0s a told", "24.5s a deadline", "25s Run returns"},
			[]string{"a: stuck 25s"},
		}, {
			"is the Grace of the group", &group.Group{Grace: 10 * s},
			tasks{{"a", nil}},
			[]string{"0s a told", "9.5s a deadline", "10s Run returns"},
			[]string{"a: stuck 10s"},
		}, {
			"leaves each task its minimum", &group.Group{Grace: 10 * s},
			tasks{{"a", nil}, {"b", nil}, {"c", nil}},
			[]string{
				"0s c told", "7.6s c deadline", "8s b told", "8.95s b deadline", "9s a told", "9.95s a deadline", "10s Run returns",
			},
			[]string{"c: stuck 8s", "b: stuck 1s", "a: stuck 1s"},
		}, {
			"leaves small minimums of a small Grace", &group.Group{Grace: 1 * s},
			tasks{{"a", nil}, {"b", nil}},
			[]string{"0s b told", "712.5ms b deadline", "750ms a told", "975ms a deadline", "1s Run returns"},
			[]string{"b: stuck 750ms", "a: stuck 250ms"},
		}, {
			"is shared by the tasks of a concurrent group",
			&group.Group{Grace: 10 * s, Concurrent: true},
			tasks{{"a", []group.Option{group.Timeout(2 * s)}}, {"b", []group.Option{group.Timeout(4 * s)}}, {"c", nil}},
			[]string{"0s told", "0s told", "0s told", "1.9s a deadline", "3.8s b deadline", "9.5s c deadline", "10s Run returns"},
			[]string{"c: stuck 10s", "b: stuck 4s", "a: stuck 2s"},
		}, {
			"is a task's Timeout", &group.Group{},
			tasks{{"a", nil}, {"b", []group.Option{group.Timeout(2 * s)}}},
			[]string{"0s b told", "1.9s b deadline", "2s a told", "24.5s a deadline", "25s Run returns"},
			[]string{"b: stuck 2s", "a: stuck 23s"},
		}, {
			"ends the context after half of a tiny Timeout",
			&group.Group{},
			tasks{{"a", []group.Option{group.Timeout(20 * time.Millisecond)}}},
			[]string{"0s a told", "10ms a deadline", "20ms Run returns"},
			[]string{"a: stuck 20ms"},
		}, {
			"keeps a task's Reserve from the tasks before it",
			&group.Group{Grace: 10 * s},
			tasks{{"a", []group.Option{group.Reserve(6 * s)}}, {"b", nil}},
			[]string{"0s b told", "3.8s b deadline", "4s a told", "9.7s a deadline", "10s Run returns"},
			[]string{"b: stuck 4s", "a: stuck 6s"},
		}, {
			"caps the minimum by the Timeout",
			&group.Group{Grace: 10 * s},
			tasks{{"a", []group.Option{group.Reserve(6 * s), group.Timeout(2 * s)}}, {"b", nil}},
			[]string{"0s b told", "7.6s b deadline", "8s a told", "9.9s a deadline", "10s Run returns"},
			[]string{"b: stuck 8s", "a: stuck 2s"},
		}, {
			"reduces minimums to nine tenths of the time left",
			&group.Group{Grace: 10 * s},
			tasks{{"a", []group.Option{group.Reserve(80 * s)}}, {"b", []group.Option{group.Reserve(10 * s)}}},
			[]string{"0s b told", "1.9s b deadline", "2s a told", "9.6s a deadline", "10s Run returns"},
			[]string{"b: stuck 2s", "a: stuck 8s"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, release := newDiary(), make(chan struct{})
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				for _, k := range tt.tasks {
					tt.group.Go(k.name, d.hangs(k.name, release), k.opts...)
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

// anyOrderTold removes the names of the tasks that are told at 0s, since their order is random.
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
		g.Go("a", d.hangs("a", release))
		g.Go("b", d.obeys("b", 3*s))
		g.Go("c", fails(0, nil))
		checkFailures(t, g.Run(context.Background()), "a: stuck 7s")
		close(release)
		d.check(t, "0s b told", "3s b ends", "3s a told", "9.65s a deadline")
	})
}

func TestStuckTask(t *testing.T) {
	t.Run("is named with the stacks of all its goroutines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var g group.Group
			g.Go("hung", func(context.Context) error {
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
			if stuck.Name != "hung" {
				t.Errorf("Name = %q, want %q", stuck.Name, "hung")
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
			hung := g.Go("hung", func(context.Context) error { <-release; return errBoom })
			g.Go("first", fails(0, nil))
			checkFailures(t, g.Run(context.Background()), "hung: stuck 25s")
			if isClosed(hung.Done()) {
				t.Error("Done of a stuck task is closed, want open")
			}
			close(release)
			<-hung.Done()
		})
	})
	t.Run("may panic or exit later without an effect", func(t *testing.T) {
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
	t.Run("does not keep the others from being told, and from their deadlines, when no time is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var told, ended atomic.Int32
			release := make(chan struct{})
			g := group.Group{Grace: 1}
			for range 3 {
				g.Go("a", func(ctx context.Context) error {
					context.AfterFunc(ctx, func() { told.Add(1) })
					context.AfterFunc(group.WorkContext(ctx), func() { ended.Add(1) })
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
			if told.Load() != 3 || ended.Load() != 3 {
				t.Errorf("%d of 3 tasks were told, and %d work contexts ended", told.Load(), ended.Load())
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
