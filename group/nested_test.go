package group_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

func TestNestedGroup(t *testing.T) {
	t.Run("is told in its turn and stops its own tasks in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var inner, outer group.Group
			inner.Go("1", d.obeys("1", s))
			inner.Go("2", d.obeys("2", s))
			outer.Go("a", d.obeys("a", s))
			outer.Go("inner", inner.Run)
			outer.Go("z", d.obeys("z", s))
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			cancel()
			checkFailures(t, wait())
			d.check(t, "0s z told", "1s z ends", "1s 2 told", "2s 2 ends", "2s 1 told", "3s 1 ends", "3s a told", "4s a ends")
		})
	})
	t.Run("that fails stops the outer one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var inner, outer group.Group
			inner.Go("1", d.obeys("1", s))
			inner.Go("2", fails(s, errBoom))
			outer.Go("a", d.obeys("a", s))
			outer.Go("inner", inner.Run)
			checkFailures(t, outer.Run(context.Background()), "inner/2: boom")
			d.check(t, "1s 1 told", "2s 1 ends", "2s a told", "3s a ends")
		})
	})
	t.Run("gets the cause of the outer one's stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inner, outer group.Group
			inner.Go("1", func(ctx context.Context) error {
				<-ctx.Done()
				if cause := context.Cause(ctx); !errors.Is(cause, errBoom) {
					t.Errorf("Cause = %v, want %v", cause, errBoom)
				}
				return context.Cause(ctx)
			})
			outer.Go("inner", inner.Run)
			outer.Go("bad", fails(s, errBoom))
			checkFailures(t, outer.Run(context.Background()), "bad: boom")
		})
	})
	t.Run("that finishes stops nothing if its task has MayFinish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var inner, outer group.Group
			inner.Go("1", fails(s, nil))
			outer.Go("a", fails(5*s, nil))
			outer.Go("inner", inner.Run, group.MayFinish())
			checkFailures(t, outer.Run(context.Background()))
			d.note("Run returns")
			d.check(t, "5s Run returns")
		})
	})
}

// TestNestedLimit checks that the innermost group names the culprit: its stop has to be over by the
// deadline of the task that runs it.
func TestNestedLimit(t *testing.T) {
	t.Run("is the deadline of the outer task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer := group.Group{Grace: 10 * s}
			var middle, inner group.Group
			inner.Go("hung", d.hangs("hung", release))
			middle.Go("inner", inner.Run)
			outer.Go("middle", middle.Run)
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			cancel()
			err := wait()
			close(release)
			d.note("Run returns")
			// 10 s less 5 %, less 5 % of that, and once more for the deadline.
			checkFailures(t, err, "middle/inner/hung: stuck 9.025s")
			d.check(t, "0s hung told", "8.57375s hung deadline", "9.025s Run returns")
		})
	})
	t.Run("is not its own Grace, even if that is shorter, while the outer one stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer, inner := group.Group{Grace: 10 * s}, group.Group{Grace: 2 * s}
			inner.Go("hung", d.hangs("hung", release))
			outer.Go("inner", inner.Run)
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			cancel()
			checkFailures(t, wait(), "inner/hung: stuck 9.5s")
			close(release)
			d.check(t, "0s hung told", "9.025s hung deadline")
		})
	})
	t.Run("is its Grace while only the inner one stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer, inner := group.Group{Grace: 1 * s}, group.Group{Grace: 20 * s}
			inner.Go("hung", d.hangs("hung", release))
			inner.Go("first", succeeds)
			outer.Go("inner", inner.Run)
			checkFailures(t, outer.Run(context.Background()), "inner/hung: stuck 20s")
			close(release)
			d.check(t, "0s hung told", "19.5s hung deadline")
		})
	})
	t.Run("applies if the outer one begins to stop during its own stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer := group.Group{Grace: 10 * s}
			var inner group.Group
			inner.Go("hung", d.hangs("hung", release))
			inner.Go("hung too", d.hangs("hung too", release))
			inner.Go("first", succeeds)
			outer.Go("inner", inner.Run)
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			time.Sleep(2 * s)
			cancel()
			err := wait()
			close(release)
			d.note("Run returns")
			// The outer task's end is at 12 s, its deadline at 11.5 s. One second is the minimum of
			// the older task.
			checkFailures(t, err, "inner/hung too: stuck 10.5s", "inner/hung: stuck 1s")
			d.check(
				t, "0s hung too told", "10.075s hung too deadline", "10.5s hung told", "11.45s hung deadline", "11.5s Run returns",
			)
		})
	})
	t.Run("applies also if that happens between two tasks of the inner one", func(t *testing.T) {
		for range 300 {
			synctest.Test(t, func(t *testing.T) { outerStopsBetweenTasks(t) })
			if t.Failed() {
				return
			}
		}
	})
	t.Run("does not make the outer task late", func(t *testing.T) {
		// This runs in real time, so the two groups read the clock at different instants. On a machine
		// that stalls, the outer group may abandon its task, too, or the task may be late. That must
		// not be the rule.
		const rounds = 20
		late := 0
		var err error
		for range rounds {
			release := make(chan struct{})
			outer := group.Group{Grace: 50 * time.Millisecond}
			var inner group.Group
			inner.Go("hung", func(context.Context) error { <-release; return nil })
			outer.Go("inner", inner.Run)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err = outer.Run(ctx)
			close(release)
			if strings.Contains(err.Error(), "returned only after") {
				late++
			}
		}
		if late > rounds/2 {
			t.Errorf("%d of %d times the outer task was late; the last Run() = %v, want only the inner task's error", late, rounds, err)
		}
	})
}

// outerStopsBetweenTasks makes the outer group begin its stop while the inner one goes from one task
// to the next.
func outerStopsBetweenTasks(t *testing.T) {
	release := make(chan struct{})
	outer := group.Group{Grace: 10 * s}
	var inner group.Group
	inner.Go("hung", func(context.Context) error { <-release; return nil })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range 100 {
		inner.Go("quick", func(ctx context.Context) error {
			<-ctx.Done()
			if i == 50 {
				cancel()
			}
			return nil
		})
	}
	inner.Go("first", fails(s, nil))
	outer.Go("inner", inner.Run)
	err := outer.Run(ctx)
	close(release)
	checkFailures(t, err, "inner/hung: stuck 9.5s")
}
