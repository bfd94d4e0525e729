package bench_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/oklog/run"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// These tests find costs that come back unnoticed: an allocation or a goroutine for each handler
// or task, and a change that makes something several times slower. They compare times only with
// those of another library in the same process.

func TestAHandlerIsOneAllocation(t *testing.T) {
	c := quiet()
	c.Register(empty) // allocates the Coordinator's own parts first
	if got := testing.AllocsPerRun(1000, func() { c.Register(empty) }); got != 1 {
		t.Errorf("%v allocations for a registration, want 1", got)
	}
}

func TestToRunAHandlerIsNoAllocation(t *testing.T) {
	const few, many = 100, 20_100
	more := int64(drainAllocs(t, many)) - int64(drainAllocs(t, few))
	if most := int64(many-few) / 100; more > most { // the report may grow, and the runtime may allocate
		t.Errorf("%d allocations more for %d handlers more, want at most %d", more, many-few, most)
	}
}

func drainAllocs(t *testing.T, n int) uint64 {
	c := quiet()
	for range n {
		c.Register(empty)
	}
	before := mallocs()
	r := c.Run(context.Background(), empty)
	if len(r.Steps) != n+1 || r.Err() != nil {
		t.Fatalf("%d steps, %v", len(r.Steps), r.Err())
	}
	return mallocs() - before
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func TestAHandlerIsNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	c := quiet()
	for range 1000 {
		c.Register(empty)
	}
	if got := runtime.NumGoroutine() - before; got > 0 {
		t.Errorf("1000 handlers have %d goroutines", got)
	}
}

func TestATaskIsOneGoroutine(t *testing.T) {
	const n, ofTheGroup = 1000, 4 // Run's own, and the actors of run.Group
	before := runtime.NumGoroutine()
	var begun, over sync.WaitGroup
	begun.Add(n)
	var g group.Group
	for range n {
		g.Go("task", func(ctx context.Context) error {
			begun.Done()
			return waits(ctx)
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	over.Go(func() { _ = g.Run(ctx) })
	begun.Wait()
	if got := runtime.NumGoroutine() - before; got > n+ofTheGroup {
		t.Errorf("%d tasks have %d goroutines, want at most %d", n, got, n+ofTheGroup)
	}
	cancel()
	over.Wait()
}

func TestATaskIsFewAllocations(t *testing.T) {
	const most = 11
	got := testing.AllocsPerRun(20, func() { runTasks(t) }) / benchTasks
	if got > most {
		t.Errorf("%.1f allocations for a task, want at most %d", got, most)
	}
}

// A drain takes a tenth of the time of fx's lifecycle. If it takes half of that time, something is
// wrong, on any machine.
func TestADrainIsFasterThanFx(t *testing.T) {
	const n = 20_000
	neverMoreThan(t, 0.5, "fx's lifecycle", func() time.Duration {
		c := quiet()
		for range n {
			c.Register(empty)
		}
		return timed(func() error { return c.Run(context.Background(), empty).Err() })
	}, func() time.Duration {
		l := fxtest.NewLifecycle(noTest{})
		for range n {
			l.Append(fx.Hook{OnStop: empty})
		}
		if err := l.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		return timed(func() error { return l.Stop(context.Background()) })
	})
}

// Handlers that stop side by side take a few times as long as the same handlers in order, because
// each has a goroutine. In an older version each handler that began scanned all those that ran: then
// 20 000 took a thousand times as long, with the lock held.
func TestSideBySideIsNotMuchSlowerThanInOrder(t *testing.T) {
	const n = 20_000
	inOrder := func() time.Duration {
		c := quiet()
		for range n {
			c.Register(empty)
		}
		return timed(func() error { return c.Run(context.Background(), empty).Err() })
	}
	neverMoreThan(t, 20, "handlers in order", func() time.Duration {
		c := quiet()
		all := c.Scope("all", shutdown.Concurrent())
		for range n {
			all.Register(empty)
		}
		return timed(func() error { return c.Run(context.Background(), empty).Err() })
	}, inOrder)
	neverMoreThan(t, 20, "handlers in order", func() time.Duration {
		c := quiet()
		var begun sync.WaitGroup
		begun.Add(n)
		var start time.Time
		over := make(chan struct{})
		r := c.Run(context.Background(), func(ctx context.Context) error {
			defer close(over)
			for range n {
				c.Go(ctx, "hold", func(context.Context) error {
					begun.Done()
					<-over
					return nil
				})
			}
			begun.Wait()
			start = time.Now()
			return nil
		})
		took := time.Since(start)
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
		return took
	}, inOrder)
}

type noTest struct{}

func (noTest) Logf(string, ...any)   {}
func (noTest) Errorf(string, ...any) {}
func (noTest) FailNow()              {}

// A group takes up to twice as long as run.Group to stop its tasks one after the other. It took
// more than three times as long when the end of a task needed a larger stack than a new goroutine
// has.
func TestAGroupIsNotMuchSlowerThanOklogRun(t *testing.T) {
	neverMoreThan(t, 3, "run.Group, in order", func() time.Duration {
		return timed(func() error { runTasks(t); return nil })
	}, func() time.Duration {
		return timed(func() error {
			var g run.Group
			for range benchTasks - 1 {
				addInOrder(&g)
			}
			g.Add(func() error { return nil }, func(error) {})
			return g.Run()
		})
	})
}

func runTasks(t *testing.T) {
	var g group.Group
	for range benchTasks - 1 {
		g.Go("task", waits)
	}
	g.Go("task", succeeds)
	if err := g.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// neverMoreThan compares the fastest of several rounds, in which the two take turns. It fails only
// if every attempt is too slow.
func neverMoreThan(t *testing.T, factor float64, what string, ours, theirs func() time.Duration) {
	const attempts, rounds = 5, 10
	if raced {
		attemptOnce(ours, theirs)
		return
	}
	var ratio float64
	for range attempts {
		a, b := time.Hour, time.Hour
		for range rounds {
			x, y := attemptOnce(ours, theirs)
			a, b = min(a, x), min(b, y)
		}
		if ratio = float64(a) / float64(b); ratio <= factor {
			t.Logf("%.2f times %s", ratio, what)
			return
		}
	}
	t.Errorf("%.1f times %s, want at most %v", ratio, what, factor)
}

func attemptOnce(ours, theirs func() time.Duration) (a, b time.Duration) {
	runtime.GC()
	a = ours()
	runtime.GC()
	return a, theirs()
}

func timed(f func() error) time.Duration {
	start := time.Now()
	if err := f(); err != nil {
		panic(err)
	}
	return time.Since(start)
}
