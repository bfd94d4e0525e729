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

// TestTask checks a task: a func(context.Context) error for group.Go, for a Coordinator's Start, or
// for its Run. It calls make for a new task for each check:
//
//   - the task runs until it is told to stop, and then returns nil or its context's error;
//   - the same holds if it is told to stop at once, or before it starts;
//   - with [InHand], it finishes its work in progress before it returns;
//   - with [Hanging], it returns although its work hangs: at its deadline, and before it is
//     abandoned. Its outcome is then OutcomeLate, which is no failure of this check;
//   - it leaves no goroutine behind, and another task can run after it.
//
// The checks with InHand and Hanging run only if the others have passed: otherwise the task might
// never accept work.
//
// Outside of a synctest bubble TestTask takes a few hundred milliseconds, and three seconds more with
// Hanging. It looks for goroutines in the whole process, so it must not run in parallel with other
// tests.
func TestTask(t TB, make func() (task func(ctx context.Context) error), opts ...TaskOption) {
	t.Helper()
	a := taskTest{t: t, make: make}
	for _, o := range opts {
		o.apply(&a)
	}
	a.check("told to stop", func(p *Program) { time.Sleep(settle); a.mustRun(p); p.Stop(nil) })
	a.check("the context given to Run has ended", func(p *Program) { time.Sleep(settle); p.Cancel(nil) })
	a.check("told to stop at once", func(p *Program) { p.Stop(nil) })
	a.checkToldBeforeStart()
	if a.failed.Load() {
		return
	}
	a.checkInHand()
	a.checkHanging()
}

// A TaskOption adds a check to TestTask.
type TaskOption interface{ apply(*taskTest) }

type taskOption func(*taskTest)

func (o taskOption) apply(a *taskTest) { o(a) }

// InHand checks that the task finishes its work in progress. give gives the task work that takes some
// time, and returns when the task has begun the work. TestTask calls finished after the task has
// returned. finished returns an error if the work was not finished. InHand panics if give is nil.
func InHand(give func() (finished func() error)) TaskOption {
	if give == nil {
		panic("shutdowntest: InHand was given nil, at " + site.Caller(2))
	}
	return taskOption(func(a *taskTest) { a.inHand = give })
}

// Hanging checks that the task returns although its work hangs. give gives the task work that hangs
// until the context of the work ends, and returns when the task has begun the work. TestTask calls
// release after the task has returned, to end the work; release may be nil. Hanging panics if give
// is nil.
func Hanging(give func() (release func())) TaskOption {
	if give == nil {
		panic("shutdowntest: Hanging was given nil, at " + site.Caller(2))
	}
	return taskOption(func(a *taskTest) { a.hanging = give })
}

const (
	// settle is how long the task runs before it is told to stop.
	settle = 50 * time.Millisecond
	// hangGrace is the grace period of the check with Hanging. A twentieth of it is between the
	// deadline and the end: long enough for the task to return on a busy machine.
	hangGrace = 3 * time.Second
)

// taskName is the name of the task's step.
const taskName = "task"

type taskTest struct {
	t       TB
	make    func() func(context.Context) error
	inHand  func() func() error
	hanging func() func()
	failed  atomic.Bool
}

// A prefixed puts the name of the check before each error.
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

// Logf drops the logs of the programs.
func (p prefixed) Logf(string, ...any) {}

// start starts a program with one task, and returns when the task is called or the program has
// ended.
func (a *taskTest) start(part string, grace time.Duration, before func(*Program)) *Program {
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

// check starts a task and stops it.
func (a *taskTest) check(part string, stop func(*Program)) {
	a.t.Helper()
	p := a.start(part, grace, nil)
	stop(p)
	a.ended(p)
}

// ended waits for the end of the program, and expects no failure.
func (a *taskTest) ended(p *Program) {
	a.t.Helper()
	p.NothingStuck()
	p.Clean()
	p.NothingLeaked()
}

func (a *taskTest) mustRun(p *Program) {
	a.t.Helper()
	select {
	case <-p.Stopping():
		p.t.Errorf("the task returned before it was told to stop")
	default:
	}
}

func (a *taskTest) checkToldBeforeStart() {
	a.t.Helper()
	a.ended(a.start("told to stop before it starts", grace, func(p *Program) { p.Stop(nil) }))
}

func (a *taskTest) checkInHand() {
	if a.inHand == nil {
		return
	}
	a.t.Helper()
	p := a.start("with work in hand", grace, nil)
	finished := a.inHand()
	p.Stop(nil)
	p.Wait()
	if finished == nil {
		p.t.Errorf("the function given to InHand returned nil, want a function that reports whether the work was finished")
	} else if err := finished(); err != nil {
		p.t.Errorf("the work was not finished: %v", err)
	}
	a.ended(p)
}

func (a *taskTest) checkHanging() {
	if a.hanging == nil {
		return
	}
	a.t.Helper()
	p := a.start("with work that hangs", hangGrace, nil)
	release := a.hanging()
	p.Stop(nil)
	p.Wait()
	p.none(shutdown.OutcomeAbandoned, shutdown.OutcomeSkipped) // not OutcomeLate: the task returns after its deadline
	if release != nil {
		release()
	}
	p.NothingLeaked()
}
