package shutdowntest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// TestTask is the acceptance of an adapter: of a func(context.Context) error that runs
// something of one's own until its context ends, for group.Go, a Coordinator's Start, or
// its Run. make makes one that is ready to be started; it is called for each of these:
//
//   - it runs until it is told to stop, then returns, with nil or its context's error;
//   - it does so also where it is told at once, or was told before it began;
//   - work in its hands is finished first, with InHand;
//   - at its deadline it abandons work that hangs, and returns before its end, with
//     Hanging;
//   - it leaves no goroutine behind, and a second one can be started after it.
//
// Work is given only to a task that has passed without: another might never take it.
//
// In a bubble of testing/synctest it takes no time; elsewhere some hundred milliseconds, and
// with Hanging three seconds more. It looks for goroutines in the whole process: it is not
// for tests that run in parallel.
func TestTask(t TB, make func() (task func(ctx context.Context) error), opts ...TaskOption) {
	t.Helper()
	a := acceptance{t: t, make: make}
	for _, o := range opts {
		o.apply(&a)
	}
	a.check("told to stop", func(p *Program) { time.Sleep(settle); a.mustRun(p); p.Stop(nil) })
	a.check("the context given to Run has ended", func(p *Program) { time.Sleep(settle); p.Cancel(nil) })
	a.check("told at once", func(p *Program) { p.Stop(nil) })
	a.checkToldBefore()
	if a.failed.Load() {
		return
	}
	a.checkInHand()
	a.checkHanging()
}

// A TaskOption tells TestTask what the task can do.
type TaskOption interface{ apply(*acceptance) }

type taskOption func(*acceptance)

func (o taskOption) apply(a *acceptance) { o(a) }

// InHand tells how the task is given work: give puts some in its hands, which takes longer
// than a moment, and returns when the task has begun it, with a function that is called
// when the task has returned and fails if the work was not finished. A nil give panics.
func InHand(give func() (finished func() error)) TaskOption {
	if give == nil {
		panic("shutdowntest: InHand was given nil, at " + site.Caller(2))
	}
	return taskOption(func(a *acceptance) { a.inHand = give })
}

// Hanging tells how the task is given work that hangs until its context ends: give returns
// when the task has begun it, with a function that lets go what is left of it, nil if nothing
// is. A nil give panics.
func Hanging(give func() (release func())) TaskOption {
	if give == nil {
		panic("shutdowntest: Hanging was given nil, at " + site.Caller(2))
	}
	return taskOption(func(a *acceptance) { a.hanging = give })
}

// How long a task has to get going, and the grace period of one that is to reach its deadline: long
// enough that between the deadline and the end, a twentieth of it, a busy machine can return.
const (
	settle   = 50 * time.Millisecond
	cutGrace = 3 * time.Second
)

// taskName is that of the step.
const taskName = "task"

type acceptance struct {
	t       TB
	make    func() func(context.Context) error
	inHand  func() func() error
	hanging func() func()
	failed  atomic.Bool
}

// A prefixed says which part of the acceptance has failed.
type prefixed struct {
	TB
	part   string
	failed *atomic.Bool
}

func (p prefixed) Errorf(format string, args ...any) {
	p.TB.Helper()
	p.failed.Store(true)
	p.TB.Errorf("%s: %s", p.part, fmt.Sprintf(format, args...))
}

// Logf hides that of the test: all these programs would say much.
func (p prefixed) Logf(string, ...any) {}

// start starts a program with one task, and returns when that is being called.
func (a *acceptance) start(part string, grace time.Duration, before func(*Program)) *Program {
	a.t.Helper()
	called := make(chan struct{})
	task := a.make()
	t := prefixed{a.t, part, &a.failed}
	c := New(t)
	c.Grace = grace
	if before != nil {
		before(&Program{Coordinator: c})
	}
	p := Start(t, c, func(ctx context.Context) error {
		var g group.Group
		g.Go(taskName, func(ctx context.Context) error {
			close(called)
			return task(ctx)
		})
		return g.Run(ctx)
	})
	select {
	case <-called:
	case <-p.Done():
	}
	return p
}

// check is one life of a task.
func (a *acceptance) check(part string, stop func(*Program)) {
	a.t.Helper()
	p := a.start(part, grace, nil)
	stop(p)
	a.ended(p)
}

// ended expects a good end.
func (a *acceptance) ended(p *Program) {
	a.t.Helper()
	p.NothingStuck()
	p.Clean()
	p.NothingLeaked()
}

func (a *acceptance) mustRun(p *Program) {
	a.t.Helper()
	select {
	case <-p.Stopping():
		p.t.Errorf("it has returned before it was told to stop")
	default:
	}
}

func (a *acceptance) checkToldBefore() {
	a.t.Helper()
	a.ended(a.start("told before it began", grace, func(p *Program) { p.Stop(nil) }))
}

func (a *acceptance) checkInHand() {
	if a.inHand == nil {
		return
	}
	a.t.Helper()
	p := a.start("with work in hand", grace, nil)
	finished := a.inHand()
	p.Stop(nil)
	p.Wait()
	if finished == nil {
		p.t.Errorf("InHand was given a function that returns nil: nobody knows whether the work was finished")
	} else if err := finished(); err != nil {
		p.t.Errorf("the work was not finished: %v", err)
	}
	a.ended(p)
}

func (a *acceptance) checkHanging() {
	if a.hanging == nil {
		return
	}
	a.t.Helper()
	p := a.start("with work that hangs", cutGrace, nil)
	release := a.hanging()
	p.Stop(nil)
	p.Wait()
	p.none(shutdown.OutcomeAbandoned, shutdown.OutcomeSkipped) // to return after the deadline is to be late, as it should be
	if release != nil {
		release()
	}
	p.NothingLeaked()
}
