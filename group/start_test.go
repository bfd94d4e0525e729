package group_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// warms returns a task that calls Started after the given time, and then obeys. It notes each.
func (d *diary) warms(name string, after time.Duration) task {
	return func(ctx context.Context) error {
		d.note(name + " begins")
		select {
		case <-time.After(after):
			d.note(name + " starts")
			group.Started(ctx)
		case <-ctx.Done():
		}
		<-ctx.Done()
		d.note(name + " told")
		return nil
	}
}

// begins returns a task that notes when it is called and told.
func (d *diary) begins(name string) task {
	return func(ctx context.Context) error {
		d.note(name + " begins")
		<-ctx.Done()
		d.note(name + " told")
		return nil
	}
}

// stopsAfter runs g, and ends its context after the given time.
func stopsAfter(g *group.Group, after time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	return g.Run(ctx)
}

func TestTasksBeginWhenThoseBeforeThemHaveStarted(t *testing.T) {
	for name, concurrent := range map[string]bool{"in order": false, "in a Concurrent group": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, g := newDiary(), group.Group{Concurrent: concurrent}
				g.Go("a", d.warms("a", s), group.Warmup(2*s))
				g.Go("b", func(ctx context.Context) error { d.note("b begins"); return waits(ctx) })
				g.Go("c", d.warms("c", 3*s), group.Warmup(4*s))
				g.Go("d", func(ctx context.Context) error { d.note("d begins"); return waits(ctx) })
				time.AfterFunc(500*time.Millisecond, func() {
					g.Go("e", func(ctx context.Context) error { d.note("e begins"); return waits(ctx) })
				})
				done := make(chan error)
				ctx, cancel := context.WithCancel(context.Background())
				go func() { done <- g.Run(ctx) }()
				time.Sleep(5 * s)
				d.mu.Lock()
				got := strings.Join(d.lines, ", ")
				d.mu.Unlock()
				// b and c, and d and e, begin at the same instant.
				got = strings.ReplaceAll(got, "1s c begins, 1s b begins", "1s b begins, 1s c begins")
				got = strings.ReplaceAll(got, "4s e begins, 4s d begins", "4s d begins, 4s e begins")
				if want := "0s a begins, 1s a starts, 1s b begins, 1s c begins, 4s c starts, 4s d begins, 4s e begins"; got != want {
					t.Errorf("what happened:\n%s, want\n%s", got, want)
				}
				cancel()
				checkFailures(t, <-done)
			})
		})
	}
}

func TestWhatCountsAsStarted(t *testing.T) {
	for name, tt := range map[string]struct {
		first task
		opts  []group.Option
		want  string // when the second task begins; "" if it never does
	}{
		"a task without Warmup, when it begins": {waits, nil, "0s"},
		"a call of Started": {func(ctx context.Context) error {
			time.Sleep(s)
			group.Started(ctx)
			return waits(ctx)
		}, []group.Option{group.Warmup(2 * s)}, "1s"},
		"a call of Started by a goroutine of the task, with a context of its own": {func(ctx context.Context) error {
			go func() {
				ctx, cancel := context.WithTimeout(group.WorkContext(ctx), 3*s)
				defer cancel()
				time.Sleep(s)
				group.Started(ctx)
			}()
			return waits(ctx)
		}, []group.Option{group.Warmup(2 * s)}, "1s"},
		"a second call of Started does nothing": {func(ctx context.Context) error {
			group.Started(ctx)
			group.Started(ctx)
			return waits(ctx)
		}, []group.Option{group.Warmup(s)}, "0s"},
		"a task with MayFinish that has returned": {func(context.Context) error {
			time.Sleep(s)
			return nil
		}, []group.Option{group.Warmup(2 * s), group.MayFinish()}, "1s"},
		"no limit, with Warmup(0)": {func(ctx context.Context) error {
			time.Sleep(1000 * time.Hour)
			group.Started(ctx)
			return waits(ctx)
		}, []group.Option{group.Warmup(0)}, "1000h0m0s"},
		"no limit, with the largest duration": {func(ctx context.Context) error {
			time.Sleep(1000 * time.Hour)
			group.Started(ctx)
			return waits(ctx)
		}, []group.Option{group.Warmup(math.MaxInt64)}, "1000h0m0s"},
		"Started with a context of no step does nothing": {func(ctx context.Context) error {
			group.Started(context.Background())
			return waits(ctx)
		}, []group.Option{group.Warmup(0)}, ""},
		"Started at the very limit is too late": {func(ctx context.Context) error {
			time.Sleep(s)
			group.Started(ctx)
			return waits(ctx)
		}, []group.Option{group.Warmup(s)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, begun := time.Now(), ""
				var g group.Group
				g.Go("first", tt.first, tt.opts...)
				g.Go("second", func(ctx context.Context) error {
					begun = time.Since(start).String()
					return waits(ctx)
				})
				ctx, cancel := context.WithTimeout(context.Background(), 1001*time.Hour)
				defer cancel()
				_ = g.Run(ctx)
				if begun != tt.want {
					t.Errorf("the second task began at %q, want %q", begun, tt.want)
				}
			})
		})
	}
}

func TestTheLimitOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		g := group.Group{Grace: 10 * s}
		g.Go("db", d.begins("db"))
		hangs := g.Go("cache", func(ctx context.Context) error {
			fillTheCache(ctx)
			d.note("cache: " + context.Cause(ctx).Error())
			return ctx.Err()
		}, group.Warmup(3*s))
		never := g.Go("http", d.begins("http"))
		err := g.Run(context.Background())
		d.check(t, "0s db begins", "3s cache: cache had not called group.Started after 3s", "3s db told")
		checkFailures(t, err, "cache: cache had not called group.Started after 3s")
		var e *group.StartError
		if !errors.As(err, &e) || e.Name != "cache" || e.Elapsed.Round(time.Microsecond) != 3*s || !strings.Contains(e.Stack, "fillTheCache") {
			t.Errorf("the error is %#v, want a StartError of cache after 3s, with the stack of fillTheCache", e)
		}
		if !isClosed(hangs.Done()) || !isClosed(never.Done()) {
			t.Error("Done of a task is open")
		}
		if err := never.Shutdown(t.Context()); err != group.ErrStopped {
			t.Errorf("Shutdown of a task that was never begun = %v, want %v", err, group.ErrStopped)
		}
	})
}

//go:noinline
func fillTheCache(ctx context.Context) { <-ctx.Done() }

func TestAStartThatHangsAndDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, release := newDiary(), make(chan struct{})
		g := group.Group{Grace: 10 * s}
		g.Go("a", d.begins("a"))
		g.Go("deaf", d.hangs("deaf", release), group.Warmup(3*s))
		err := g.Run(context.Background())
		d.check(t, "0s a begins", "3s deaf told", "11.55s deaf deadline", "12s a told")
		checkFailures(t, err, "deaf: deaf had not called group.Started after 3s", "deaf: stuck 9s")
		var start *group.StartError
		var stuck *group.StuckError
		if !errors.As(err, &start) || !errors.As(err, &stuck) || !strings.Contains(stuck.Stack, "hangs") {
			t.Errorf("%v, want a StartError and a StuckError with its stack", err)
		}
		close(release)
		synctest.Wait()
	})
}

func TestATaskThatEndsBeforeItHasStarted(t *testing.T) {
	for name, tt := range map[string]struct {
		task task
		opts []group.Option
		want []string
	}{
		"without an error, which is an error":   {fails(s, nil), nil, []string{"t: t returned before it had called group.Started, after 1s"}},
		"with an error, which is its own":       {fails(s, errBoom), nil, []string{"t: boom"}},
		"with a panic":                          {func(context.Context) error { panic("oops") }, nil, []string{"t: panic: oops"}},
		"without an error, if it has MayFinish": {fails(s, nil), []group.Option{group.MayFinish()}, nil},
		"by an error after the limit, which is joined": {func(ctx context.Context) error {
			<-ctx.Done()
			return errBoom
		}, nil, []string{"t: t had not called group.Started after 2s", "t: boom"}},
		"by a panic after the limit, which is joined": {func(ctx context.Context) error {
			<-ctx.Done()
			panic("oops")
		}, nil, []string{"t: panic: oops", "t: t had not called group.Started after 2s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group.Group
				g.Go("t", tt.task, append(tt.opts, group.Warmup(2*s))...)
				g.Go("next", waits)
				checkFailures(t, stopsAfter(&g, 10*s), tt.want...)
			})
		})
	}
}

func TestAStopInTheMiddleOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var g group.Group
		g.Go("a", d.obeys("a", s))
		g.Go("b", d.obeys("b", s))
		g.Go("c", d.obeys("c", s), group.Warmup(10*s))
		never := g.Go("d", d.begins("d"), group.Reserve(time.Hour))
		if err := stopsAfter(&g, 2*s); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		d.check(t, "2s c told", "3s c ends", "3s b told", "4s b ends", "4s a told", "5s a ends")
		if !isClosed(never.Done()) {
			t.Error("Done of the task that was never begun is open")
		}
	})
}

func TestATaskThatSeesTheEndOfTheGroupsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		var g group.Group
		for range 20 { // each with a warm-up of its own, so that some are first
			g.Go("inner", func(inner context.Context) error {
				var g group.Group
				g.Go("t", func(context.Context) error { <-ctx.Done(); return nil }, group.Warmup(s))
				g.Go("next", waits)
				return g.Run(ctx)
			})
		}
		time.AfterFunc(s/2, cancel)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run = %v, want nil: the end of the context is a request to stop, also if a task sees it before the group", err)
		}
	})
}

func TestAFailureInTheMiddleOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var g group.Group
		g.Go("a", d.obeys("a", s))
		g.Go("bad", fails(s, errBoom))
		g.Go("c", d.obeys("c", s), group.Warmup(10*s))
		g.Go("d", d.begins("d"))
		checkFailures(t, g.Run(context.Background()), "bad: boom")
		d.check(t, "1s c told", "2s c ends", "2s a told", "3s a ends")
	})
}

func TestNestedStarts(t *testing.T) {
	t.Run("a group is started when all its tasks are", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var inner, outer group.Group
			inner.Go("1", d.warms("1", s), group.Warmup(0))
			inner.Go("2", d.warms("2", s), group.Warmup(5*s))
			inner.Go("3", waits)
			outer.Go("inner", inner.Run, group.Warmup(5*s))
			outer.Go("next", func(ctx context.Context) error { d.note("next begins"); return waits(ctx) })
			if err := stopsAfter(&outer, 4*s); err != nil {
				t.Error(err)
			}
			d.check(t, "0s 1 begins", "1s 1 starts", "1s 2 begins", "2s 2 starts", "2s next begins", "4s 2 told", "4s 1 told")
		})
	})
	t.Run("a step that runs a group may have no Warmup", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			var inner, outer group.Group
			inner.Go("1", d.warms("1", s), group.Warmup(5*s))
			outer.Go("inner", inner.Run)
			outer.Go("next", func(ctx context.Context) error { time.Sleep(time.Nanosecond); d.note("next begins"); return waits(ctx) })
			if err := stopsAfter(&outer, 4*s); err != nil {
				t.Error(err)
			}
			d.check(t, "0s 1 begins", "1ns next begins", "1s 1 starts", "4s 1 told")
		})
	})
	t.Run("the limit of the outer step names the inner task, with the stacks of the whole family", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var innermost, inner, outer group.Group
			innermost.Go("db", waits)
			innermost.Go("cache", func(ctx context.Context) error { fillTheCache(ctx); return nil }, group.Warmup(0))
			inner.Go("storage", innermost.Run, group.Warmup(time.Hour))
			outer.Go("app", inner.Run, group.Warmup(3*s))
			err := outer.Run(context.Background())
			checkFailures(t, err, "app: app/storage/cache had not called group.Started after 3s")
			var e *group.StartError
			if !errors.As(err, &e) || e.Name != "app/storage/cache" {
				t.Fatalf("%v, want a StartError of app/storage/cache", err)
			}
			at := 0
			for _, want := range []string{"cache:\n", "fillTheCache", "app:\n", "group.(*Group).Run", "storage:\n", "db:\n", "group_test.waits"} {
				i := strings.Index(e.Stack, want)
				if i < 0 {
					t.Errorf("the stacks lack %q:\n%s", want, e.Stack)
				}
				if (want == "cache:\n" || want == "app:\n") && i < at {
					t.Errorf("%q comes too early in\n%s", want, e.Stack)
				}
				at = max(at, i)
			}
		})
	})
	t.Run("a start that fails in an inner group stops the outer one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inner, outer group.Group
			inner.Go("cache", waits, group.Warmup(s))
			outer.Go("inner", inner.Run, group.Warmup(5*s))
			checkFailures(t, outer.Run(context.Background()), "inner/cache: cache had not called group.Started after 1s")
		})
	})
}

func TestAPairWithWarmup(t *testing.T) {
	t.Run("is interrupted at the limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, stop := newDiary(), make(chan struct{})
			var g group.Group
			g.Add("pair", func(ctx context.Context) error {
				<-stop
				if ctx.Err() != nil {
					t.Error("the context of execute has ended")
				}
				return errBoom
			}, func(context.Context) error { d.note("interrupt"); close(stop); return nil }, group.Warmup(s))
			checkFailures(t, g.Run(context.Background()), "pair: pair had not called group.Started after 1s")
			d.check(t, "1s interrupt")
		})
	})
	t.Run("calls Started from execute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stop := make(chan struct{})
			var g group.Group
			g.Add("pair", func(ctx context.Context) error {
				group.Started(ctx)
				<-stop
				return nil
			}, func(context.Context) error { close(stop); return nil }, group.Warmup(s))
			if err := stopsAfter(&g, 3*s); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestShutdownInTheMiddleOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var g group.Group
		g.Go("a", waits)
		warm := g.Go("warm", d.obeys("warm", 5*s), group.Warmup(3*s))
		gone := g.Go("gone", d.begins("gone"))
		g.Go("next", d.begins("next"))
		time.AfterFunc(s, func() {
			if err := gone.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown of a task that has not begun = %v, want nil", err)
			}
			if err := warm.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown of a task that starts = %v, want nil: it has no limit any more", err)
			}
		})
		if err := stopsAfter(&g, 8*s); err != nil {
			t.Error(err)
		}
		d.check(t, "1s warm told", "6s warm ends", "6s next begins", "8s next told")
	})
}

func TestWarmupMisuse(t *testing.T) {
	for name, f := range map[string]func(){
		"negative": func() { group.Warmup(-1) },
		"actor": func() {
			new(group.Group).AddActor("a", func() error { return nil }, func(error) {}, group.Warmup(s))
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				v := recover()
				if text, _ := v.(string); !strings.Contains(text, "start_test.go:") || !strings.Contains(text, "Warmup") {
					t.Errorf("the panic is %v, want one with Warmup and the caller's line", v)
				}
			}()
			f()
		})
	}
}
