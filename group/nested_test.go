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
	t.Run("hears why the outer one stops", func(t *testing.T) {
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
	t.Run("that finishes may", func(t *testing.T) {
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

// TestNestedLimit wants the innermost group to name the culprit: its limit is the
// cut of the task that it is.
func TestNestedLimit(t *testing.T) {
	t.Run("is the cut of the outer task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer := group.Group{Grace: 10 * s}
			var middle, inner group.Group
			inner.Go("deaf", d.deaf("deaf", release))
			middle.Go("inner", inner.Run)
			outer.Go("middle", middle.Run)
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			cancel()
			err := wait()
			close(release)
			d.note("Run returns")
			// 10 s less 5 %, less 5 % of that, and again for the cut.
			checkFailures(t, err, "middle/inner/deaf: stuck 9.025s")
			d.check(t, "0s deaf told", "8.57375s deaf cut", "9.025s Run returns")
		})
	})
	t.Run("is not its own Grace, though that is less: the context brings a bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer, inner := group.Group{Grace: 10 * s}, group.Group{Grace: 2 * s}
			inner.Go("deaf", d.deaf("deaf", release))
			outer.Go("inner", inner.Run)
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			cancel()
			checkFailures(t, wait(), "inner/deaf: stuck 9.5s")
			close(release)
			d.check(t, "0s deaf told", "9.025s deaf cut")
		})
	})
	t.Run("is its Grace while only the inner one stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer, inner := group.Group{Grace: 1 * s}, group.Group{Grace: 20 * s}
			inner.Go("deaf", d.deaf("deaf", release))
			inner.Go("first", succeeds)
			outer.Go("inner", inner.Run)
			checkFailures(t, outer.Run(context.Background()), "inner/deaf: stuck 20s")
			close(release)
			d.check(t, "0s deaf told", "19.5s deaf cut")
		})
	})
	t.Run("comes with a stop of the outer one during its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, release := newDiary(), make(chan struct{})
			outer := group.Group{Grace: 10 * s}
			var inner group.Group
			inner.Go("deaf", d.deaf("deaf", release))
			inner.Go("deaf too", d.deaf("deaf too", release))
			inner.Go("first", succeeds)
			outer.Go("inner", inner.Run)
			ctx, cancel := context.WithCancel(context.Background())
			wait := started(ctx, &outer)
			time.Sleep(2 * s)
			cancel()
			err := wait()
			close(release)
			d.note("Run returns")
			// The outer limit is 12 s, its cut 11.5 s; one second is promised to
			// the older one.
			checkFailures(t, err, "inner/deaf too: stuck 10.5s", "inner/deaf: stuck 1s")
			d.check(
				t, "0s deaf too told", "10.075s deaf too cut", "10.5s deaf told", "11.45s deaf cut", "11.5s Run returns",
			)
		})
	})
	t.Run("comes also between two tasks of the inner one", func(t *testing.T) {
		for range 300 {
			synctest.Test(t, func(t *testing.T) { outerStopsBetweenTasks(t) })
			if t.Failed() {
				return
			}
		}
	})
	t.Run("does not make the outer task late", func(t *testing.T) {
		for range 20 {
			release := make(chan struct{})
			outer := group.Group{Grace: 50 * time.Millisecond}
			var inner group.Group
			inner.Go("deaf", func(context.Context) error { <-release; return nil })
			outer.Go("inner", inner.Run)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err := outer.Run(ctx)
			close(release)
			// In real time, where the two clocks are not at the same instant. On a
			// machine that stalls, the outer one may give up, too.
			if strings.Contains(err.Error(), "returned only after") {
				t.Fatalf("Run() = %v, want only the inner task's error", err)
			}
		}
	})
}

// outerStopsBetweenTasks has the outer group begin its stop while the inner one goes
// from task to task.
func outerStopsBetweenTasks(t *testing.T) {
	release := make(chan struct{})
	outer := group.Group{Grace: 10 * s}
	var inner group.Group
	inner.Go("deaf", func(context.Context) error { <-release; return nil })
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
	checkFailures(t, err, "inner/deaf: stuck 9.5s")
}
