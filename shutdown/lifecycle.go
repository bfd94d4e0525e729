package shutdown

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// Run calls main, on a goroutine of its own, and drains the program when main
// returns, when a signal comes, on Stop, or when ctx ends: it cancels main's context,
// waits for main, and runs the handlers. It returns when all is over, or has been
// given up, with the report of it.
//
// Run never panics because main did, and does not end the process; a third signal
// does. A nil main and a second Run panic. After a drain without a Run, by Shutdown or
// Exit, main is skipped and the report of that drain is returned.
func (c *Coordinator) Run(ctx context.Context, main func(context.Context) error) *Report {
	if f, ok := c.open(ctx, main, false, step.Call(1, "main")); ok {
		go step.Serve(&mainRun{c, f})
	}
	<-c.done
	return c.Report()
}

// Main calls main on the caller's goroutine, drains the program as Run does, writes
// the log, and returns the exit code:
//
//	func main() { os.Exit(shutdown.Main(run)) }
//
// The code is, by the first that applies: 2 if main panicked, and then Main panics
// again with the same value, when everything has been drained; that of Exit or of an
// *ExitError, if it is not 0; 1 if any step failed; 0. With Reraise, after a clean stop
// by a signal, it ends the process by that signal; so it does, with the code, where
// main is stuck or has called runtime.Goexit. A third signal ends it with 128 + n.
func (c *Coordinator) Main(main func(context.Context) error) int {
	return c.mainFor(main, step.Call(1, "main"))
}

func (c *Coordinator) mainFor(main step.Func, at step.Origin) int {
	f, ok := c.open(context.Background(), main, true, at)
	if !ok {
		<-c.done
		return c.Report().ExitCode()
	}
	step.Inline(&c.main, f, &c.root, func(r step.Result) {
		if !c.mainReturned(r) {
			select {} // it was given up, and Main ends the process elsewhere
		}
		<-c.done
		switch r.How {
		case step.Goexit, step.Exit:
			c.exit(c.exitStatus())
		case step.Panic:
			c.letPanic()
		}
	})
	return c.exitStatus()
}

// open begins a Run. It returns false if the program has been drained already.
func (c *Coordinator) open(ctx context.Context, main step.Func, byMain bool, at step.Origin) (step.Func, bool) {
	switch {
	case main == nil:
		panic("shutdown: main is nil, at " + at.Site())
	case c.Grace < 0 || c.Delay < 0:
		panic(fmt.Sprintf("shutdown: Grace %v or Delay %v is negative, at %s", c.Grace, c.Delay, at.Site()))
	}
	run := c.lock()
	defer run.Unlock()
	if c.phase != fresh {
		c.mustBeAlone(at)
		return nil, false
	}
	run.SetValues(ctx)
	c.parent, c.byMain, c.main.Origin = ctx, byMain, at
	c.main.Init(run, nil, run.Label(nil, run.Values(), "main", "m"))
	if err := c.configure(); err != nil {
		main = func(context.Context) error { return err }
	}
	c.phase, c.ready = active, true
	c.out.begin()
	c.hearSignals()
	c.startTasks()
	switch {
	case c.early:
		c.request(run.Now(), c.cause, c.fault, false)
	case ctx.Err() != nil:
		c.request(run.Now(), context.Cause(ctx), nil, false)
	default:
		c.restore = append(c.restore, c.watch(ctx))
	}
	return main, true
}

// mustBeAlone panics unless what has begun already is a drain without a Run, of
// which main's step is then a part.
func (c *Coordinator) mustBeAlone(at step.Origin) {
	if !c.alone || c.main.Over() {
		panic("shutdown: a Coordinator runs once; it was run again at " + at.Site())
	}
	c.main.Origin = at
	c.main.Init(c.run, nil, c.run.Values())
	c.main.Finish(c.run.Now(), step.Skipped, ErrDrained)
	if c.report != nil {
		c.report = c.build()
	}
}

// watch stops the program when ctx ends.
func (c *Coordinator) watch(ctx context.Context) (stop func()) {
	after := context.AfterFunc(ctx, func() {
		run := c.lock()
		defer run.Unlock()
		c.request(run.Now(), context.Cause(ctx), nil, true)
	})
	return func() { after() }
}

func (c *Coordinator) startTasks() {
	for _, r := range c.tasks {
		if r.member {
			c.startTask(r)
		}
	}
	c.tasks = nil
}

// A mainRun is main on a goroutine of its own.
type mainRun struct {
	c *Coordinator
	f step.Func
}

func (m *mainRun) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	if last == nil {
		return &m.c.main, m.f, &m.c.root
	}
	m.c.mainReturned(r)
	return nil, nil, nil
}

// mainReturned is told that main has come back. It returns false if main had been given
// up before.
func (c *Coordinator) mainReturned(r step.Result) bool {
	run := c.lock()
	defer run.Unlock()
	now := run.Now()
	if c.main.Over() {
		run.After(func() { host{c}.Zombie(&c.main, r) })
		return false
	}
	if e := c.parent.Err(); e != nil && r.How == step.Returned && step.Excused(r.Err, e, context.Cause(c.parent)) {
		r.Err = nil
	}
	outcome, err := c.main.Judge(now, r)
	if code := exitCode(r.Err); outcome == step.OK && code != 0 {
		outcome, err = step.Failed, r.Err
	}
	if e, ok := r.Err.(*ExitError); ok && outcome == step.Failed && e.Code == 0 && e.Err == nil {
		outcome, err = step.OK, nil
	}
	c.mainErr, c.panicked, c.mainOver = r.Err, outcome == step.Panicked, true
	c.request(now, err, nil, false)
	c.main.Finish(now, outcome, err)
	c.main.CloseLocked()
	return true
}

// request asks the program to stop. The first request counts; a later one at most
// ends the delay, if it comes from main's return or a failing task. The lock is held.
func (c *Coordinator) request(now time.Duration, cause, fault error, delay bool) {
	if c.phase >= delaying {
		if !delay {
			c.endDelay(now)
		}
		return
	}
	switch {
	case c.t0 == 0:
		c.stamp(now)
	case now > step.Sum(c.t0, c.grace): // a preStop hook that nothing followed in time
		c.t0, delay = now, false
	}
	c.phase, c.cause, c.fault = delaying, cause, fault
	c.end = max(step.Sum(c.t0, c.grace), now+min(minGrace, c.grace))
	for q := range c.quiets {
		q.end()
	}
	c.out.emit(StopRequested{cause, c.run.Time(c.t0), c.end - c.t0, c.delay})
	wait := c.t0 + c.delay - now
	if !delay || wait <= 0 {
		c.endDelay(now)
		return
	}
	c.delayOver = time.AfterFunc(wait, func() {
		run := c.lock()
		defer run.Unlock()
		c.endDelay(run.Now())
	})
}

// stamp is t0.
func (c *Coordinator) stamp(now time.Duration) {
	c.t0, c.ready = now, false
	c.undropPipe = c.dropPipe()
	close(c.stopping)
}

// endDelay ends the root context, starts main's clock, and makes the plan for all
// that is to come.
func (c *Coordinator) endDelay(now time.Duration) {
	if c.phase != delaying {
		return
	}
	c.phase = ending
	if c.delayOver != nil {
		c.delayOver.Stop()
	}
	c.out.emit(DelayEnded{now - c.t0})
	c.clock = c.run.NewClock(nil, c.end)
	c.planAll(now)
	end := step.Asked(c.cause)
	c.run.After(func() { c.main.Tell(end) })
	c.tick()
	c.mainEnded()
}

func (c *Coordinator) planAll(now time.Duration) {
	n, main := c.stack.count(), !c.mainOver || len(c.holds) > 0
	if main {
		n++
	}
	c.steps = slices.Grow(c.steps, n+len(c.holds))
	b := c.clock.Plan(now, n)
	c.stack.budget = b
	b.Owe(c.stack.plan(b))
	if main {
		c.main.Promise = b.Promise(step.Terms{})
		b.Owe(c.main.Promise)
	}
	if b.Fit(now) {
		c.scaled()
	}
	if !main {
		return
	}
	allowance, promise := b.Take(now, c.main.Promise, 0, false)
	c.main.Promise, c.mainEnd = promise, now+allowance
	if !c.mainOver {
		c.beginWithMain(&c.main, now)
	}
	for s := range c.holds {
		c.beginWithMain(s, now)
	}
}

// beginWithMain starts the clock of main or of a hold: they share an allowance.
func (c *Coordinator) beginWithMain(s *step.Step, now time.Duration) {
	s.Promise = c.main.Promise
	c.clock.BeginFor(s, c.stack.budget, now, max(0, c.mainEnd-now))
}

// mainEnded starts the handlers when main and the holds are over.
func (c *Coordinator) mainEnded() {
	if c.phase != ending || !c.mainOver || len(c.holds) > 0 {
		return
	}
	c.phase = draining
	c.stack.state = scopeDraining
	d := &drain{c: c, clock: c.clock, top: &c.stack, at: &c.stack, values: c.run.Values(), over: c.drainOver}
	c.stack.drain = d
	c.run.After(d.start)
}

// drainOver is called when the last handler is over.
func (c *Coordinator) drainOver(now time.Duration) {
	c.took = now - c.t0
	c.clock.Close()
	c.ticker.Stop()
	c.run.After(c.conclude) // on the goroutine of the last handler: it has nothing else to do
}

// conclude makes the report, sees the log out, and lets everybody go.
func (c *Coordinator) conclude() {
	unlabel()
	leaks := c.findLeaks()
	run := c.lock()
	c.phase, c.leaks = finished, leaks
	c.report = c.build()
	c.out.conclude(Drained{c.report})
	left := step.Sum(c.end, afterGrace) - run.Now()
	stuck := c.byMain && c.main.Outcome == step.Abandoned
	run.Unlock()
	c.logStuck = !c.out.flush(min(max(left, afterGrace), maxFlush))
	if !c.byMain {
		c.giveBack()
	}
	close(c.done)
	if stuck {
		c.exit(c.exitStatus())
	}
}

// giveBack stops catching signals, and watching the parent context.
func (c *Coordinator) giveBack() {
	run := c.lock()
	restore := append(c.restore, c.undropPipe)
	c.restore = nil
	run.Unlock()
	for _, f := range restore {
		f()
	}
}

// finish records how a step has come back. It returns false if the step had been
// given up before. The lock is held.
func (c *Coordinator) finish(s *step.Step, now time.Duration, r step.Result) bool {
	if s.Over() {
		c.run.After(func() { host{c}.Zombie(s, r) })
		return false
	}
	outcome, err := s.Judge(now, r)
	s.Finish(now, outcome, err)
	s.CloseLocked()
	return true
}

// Shutdown asks the program to stop, like Stop(nil), and waits until everything is
// over, or ctx ends. It returns the report's error, or ctx's.
//
// Called by main, a task, a hold or a handler, on its goroutine or with a context that
// descends from its own, it returns ErrInProgress at once, since it would wait for
// itself. Without a Run, it drains by itself, with signals caught for the duration.
func (c *Coordinator) Shutdown(ctx context.Context) error {
	c.setup()
	if c.calledByStep(ctx) {
		c.Stop(nil)
		return ErrInProgress
	}
	if !c.drainAlone() {
		c.Stop(nil)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		select {
		case <-c.done: // as well
		default:
			return ctx.Err()
		}
	}
	return c.Report().Err()
}

// drainAlone begins a drain without a Run, if nothing has begun yet.
func (c *Coordinator) drainAlone() bool {
	run := c.lock()
	defer run.Unlock()
	if c.phase != fresh {
		return false
	}
	if err := c.configure(); err != nil {
		c.note(badEnvironment{err})
	}
	c.alone, c.mainOver, c.phase, c.parent = true, true, active, context.Background()
	c.out.begin()
	c.hearSignals()
	c.request(run.Now(), c.cause, c.fault, false)
	return true
}

// Done is closed when the drain is over and the report is final.
func (c *Coordinator) Done() <-chan struct{} {
	c.setup()
	return c.done
}
