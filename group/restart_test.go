package group_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// ways are the ways in which a task fails.
var ways = []struct {
	name string
	fail task
	want error
}{
	{"by an error", func(context.Context) error { return errBoom }, errBoom},
	{"by a panic", func(context.Context) error { panic(errBoom) }, errBoom},
	{"by Goexit", func(context.Context) error { runtime.Goexit(); return nil }, group.ErrGoexit},
}

// exact is a policy whose waits are at most a nanosecond shorter than the given time.
func exact(limit int) group.Policy {
	return group.Policy{Initial: 2 * time.Nanosecond, Max: 2 * time.Nanosecond, Limit: limit}
}

// A caller counts the calls of a task, and when they begin.
type caller struct {
	began time.Time
	calls []time.Duration
}

// fails returns a task that fails in this way after the time given for its call, and obeys when
// there is none for it.
func (c *caller) fails(way task, after ...time.Duration) task {
	c.began = time.Now()
	return func(ctx context.Context) error {
		c.calls = append(c.calls, time.Since(c.began))
		if len(c.calls) > len(after) {
			return waits(ctx)
		}
		time.Sleep(after[len(c.calls)-1])
		return way(ctx)
	}
}

func TestRestart(t *testing.T) {
	for _, way := range ways {
		t.Run("calls the task again that has failed "+way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				c := new(caller)
				var g group.Group
				task := g.Go("task", c.fails(way.fail, s, s, s), group.Restart(group.Policy{}))
				g.Go("other", waits)
				wait := started(ctx, &g)
				done := task.Done() // of the first call
				time.Sleep(time.Minute)
				synctest.Wait() // so that what the task has recorded can be read
				if len(c.calls) != 4 || isClosed(done) || isClosed(task.Done()) {
					t.Errorf("called at %v, Done is closed: %t; want four calls, and false", c.calls, isClosed(done))
				}
				cancel()
				checkFailures(t, wait())
				if !isClosed(done) {
					t.Error("Done is not closed at the end")
				}
			})
		})
		t.Run("has the task that fails "+way.name+" too often fail as one without", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := new(caller)
				var g group.Group
				task := g.Go("task", c.fails(way.fail, s, s, s, s), group.Restart(group.Policy{Limit: 3}))
				g.Go("other", waits)
				err := g.Run(context.Background())
				var failed *group.TaskError
				if !errors.As(err, &failed) || failed.Name != "task" || !errors.Is(failed.Err, way.want) {
					t.Errorf("Run() = %v, want %v of the task", err, way.want)
				}
				if len(c.calls) != 4 || !isClosed(task.Done()) {
					t.Errorf("called at %v, Done is closed: %t; want four calls, and true", c.calls, isClosed(task.Done()))
				}
			})
		})
	}
}

func TestRestartWaits(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name   string
		policy group.Policy
		runs   []time.Duration
		most   []time.Duration // before each further call
	}{
		{
			"100 ms at first, twice as long each time, 30 s at most, by default",
			group.Policy{Limit: -1},
			make([]time.Duration, 12),
			[]time.Duration{
				100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms, 30 * s, 30 * s, 30 * s,
			},
		},
		{
			"Initial, up to Max",
			group.Policy{Initial: 2 * s, Max: 5 * s},
			make([]time.Duration, 4),
			[]time.Duration{2 * s, 4 * s, 5 * s, 5 * s},
		},
		{
			"Initial again after a run that lasted Max",
			group.Policy{Initial: s, Max: 10 * s},
			[]time.Duration{0, 0, 10*s - 1, 10 * s, 0},
			[]time.Duration{s, 2 * s, 4 * s, s, 2 * s},
		},
		{"Max if that is below the default of Initial", group.Policy{Max: 10 * ms}, make([]time.Duration, 2), []time.Duration{10 * ms, 10 * ms}},
		{"Initial if that is above the default of Max", group.Policy{Initial: time.Minute}, make([]time.Duration, 2), []time.Duration{time.Minute, time.Minute}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				c := new(caller)
				var g group.Group
				g.Go("task", c.fails(ways[0].fail, tt.runs...), group.Restart(tt.policy))
				checkFailures(t, g.Run(ctx))
				if len(c.calls) != len(tt.runs)+1 {
					t.Fatalf("called at %v, want %d calls", c.calls, len(tt.runs)+1)
				}
				for i, most := range tt.most {
					if waited := c.calls[i+1] - c.calls[i] - tt.runs[i]; waited < most/2 || waited > most {
						t.Errorf("wait %d = %v, want at most %v and at least half of that", i, waited, most)
					}
				}
			})
		})
	}
	t.Run("times that differ", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			var g group.Group
			var all []*caller
			for i := range 20 {
				c := new(caller)
				all = append(all, c)
				g.Go(fmt.Sprint(i), c.fails(ways[0].fail, s), group.Restart(group.Policy{Initial: s}))
			}
			checkFailures(t, g.Run(ctx))
			again := make(map[time.Duration]bool)
			for _, c := range all {
				again[c.calls[1]] = true
			}
			if len(again) < 15 {
				t.Errorf("20 tasks that fail together are called again at %d instants, want nearly 20", len(again))
			}
		})
	})
}

func TestRestartLimit(t *testing.T) {
	minute := time.Minute
	for _, tt := range []struct {
		name   string
		policy group.Policy
		every  time.Duration // how long each run lasts
		calls  int           // after which the task fails; 0: it does not
	}{
		{"is 10 failures within 5 minutes by default", exact(0), 29 * s, 11},
		{"does not count failures that are older", exact(0), 31 * s, 0},
		{"counts a failure for the time Within", group.Policy{Initial: 2, Max: 2, Limit: 2, Within: minute}, 29 * s, 3},
		{"does not count it longer", group.Policy{Initial: 2, Max: 2, Limit: 2, Within: minute}, 31 * s, 0},
		{"is none if it is negative", exact(-1), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				calls := 0
				var g group.Group
				g.Go("task", func(context.Context) error {
					if calls++; calls == 1000 {
						cancel()
						return waits(ctx)
					}
					time.Sleep(tt.every)
					return errBoom
				}, group.Restart(tt.policy))
				err := g.Run(ctx)
				want := []string{"task: boom"}
				if tt.calls == 0 {
					tt.calls, want = 1000, nil
				}
				checkFailures(t, err, want...)
				if calls != tt.calls {
					t.Errorf("called %d times, want %d", calls, tt.calls)
				}
			})
		})
	}
}

func TestRestartGivesEachCallNewContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
		defer cancel()
		var before []context.Context
		var g group.Group
		g.Go("task", func(ctx context.Context) error {
			for _, old := range before {
				if old.Err() != context.Canceled {
					t.Errorf("Err() of a context of the call before = %v, want Canceled", old.Err())
				}
			}
			work := group.WorkContext(ctx)
			if ctx.Err() != nil || work.Err() != nil || ctx.Value(key{}) != "value" {
				t.Errorf("Err() = %v and %v, Value() = %v; want nil, nil, %q", ctx.Err(), work.Err(), ctx.Value(key{}), "value")
			}
			for _, old := range before {
				if now := group.WorkContext(old); now.Err() != context.Canceled {
					t.Errorf("the work context of a context of the call before: Err() = %v, want Canceled", now.Err())
				}
			}
			if before = append(before, ctx, work); len(before) == 6 {
				cancel()
				return waits(ctx)
			}
			return errBoom
		}, group.Restart(group.Policy{}))
		checkFailures(t, g.Run(ctx))
	})
}

func TestRestartPanics(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(g *group.Group)
		want string
	}{
		{"if Initial is negative", func(*group.Group) { group.Restart(group.Policy{Initial: -s}) }, "group: Restart with Initial(-1s) is negative, at group/restart_test.go:"},
		{"if Max is negative", func(*group.Group) { group.Restart(group.Policy{Max: -s}) }, "group: Restart with Max(-1s) is negative, at group/restart_test.go:"},
		{"if Within is negative", func(*group.Group) { group.Restart(group.Policy{Within: -s}) }, "group: Restart with Within(-1s) is negative, at group/restart_test.go:"},
		{"if Initial exceeds Max", func(*group.Group) { group.Restart(group.Policy{Initial: 2 * s, Max: s}) }, "group: Restart with Initial 2s, which exceeds Max 1s, at group/restart_test.go:"},
		{"on Add", func(g *group.Group) { g.Add("pair", waits, waits, group.Restart(group.Policy{})) }, "group: Restart of a pair of functions, whose interrupt is called once; use Go, at group/restart_test.go:"},
		{
			"on AddActor",
			func(g *group.Group) {
				g.AddActor("actor", func() error { return nil }, func(error) {}, group.Restart(group.Policy{}))
			},
			"group: Restart of a pair of functions, whose interrupt is called once; use Go, at group/restart_test.go:",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, tt.want) {
					t.Errorf("it panicked with %q, want %q", got, tt.want)
				}
			}()
			tt.call(new(group.Group))
		})
	}
}

// One option may be given to several tasks. Each of them has the whole policy.
func TestTasksDoNotShareAPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		option := group.Restart(group.Policy{Limit: 2})
		var g group.Group
		for i := range 3 {
			g.Go(fmt.Sprint(i), new(caller).fails(ways[0].fail, 0, 0), option)
		}
		checkFailures(t, g.Run(ctx))
	})
}
