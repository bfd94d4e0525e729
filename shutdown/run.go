package shutdown

import (
	"context"
	"fmt"
	"slices"

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
	if f, ok := c.open(ctx, main, false, step.CallSite().As("main")); ok {
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
	return c.mainFor(main, step.CallSite().As("main"))
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
	if c.site != (step.Site{}) {
		at = c.site.As("main")
	}
	if main == nil {
		panic("shutdown: main is nil, at " + at.Site())
	}
	if err := c.negative(); err != nil {
		panic(err.Error() + ", at " + at.Site())
	}
	values, ended, cause := step.ValuesOf(ctx), ctx.Err() != nil, context.Cause(ctx)
	run := c.lock()
	defer run.Unlock()
	if !c.mayRun() {
		panic("shutdown: a Coordinator runs once; it was run again at " + at.Site())
	}
	if c.phase != fresh {
		c.skipMain(at)
		return nil, false
	}
	run.SetValues(values)
	c.parent, c.byMain, c.main.Origin = ctx, byMain, at
	c.main.Init(run.Place(nil, run.Values(), "main", "m"))
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
	case ended:
		c.request(run.Now(), cause, nil, false)
	default:
		run.After(func() { c.watch(ctx) })
	}
	return main, true
}

// negative is what is wrong with the fields, nil if nothing is. A Run panics because of it; a
// drain without one, which may be a program's last act, tells and takes the default.
func (c *Coordinator) negative() error {
	if c.Grace < 0 || c.Delay < 0 {
		return fmt.Errorf("shutdown: Grace %v or Delay %v is negative", c.Grace, c.Delay)
	}
	return nil
}

// mayRun reports whether there was no Run yet. The lock is held.
func (c *Coordinator) mayRun() bool { return c.phase == fresh || c.alone && !c.main.Over() }

// skipMain is for a Run after a drain without one, of which main's step is then a part.
func (c *Coordinator) skipMain(at step.Origin) {
	c.main.Origin = at
	c.main.Init(c.run.Place(nil, c.run.Values(), "main", "m"))
	c.main.Finish(c.run.Now(), step.Skipped, ErrDrained)
	if c.report != nil {
		r := *c.report
		r.Steps = append(slices.Clone(r.Steps), c.describe(&c.main))
		main := &r.Steps[len(r.Steps)-1]
		main.Took, main.Outcome, main.Err = 0, Skipped, ErrDrained
		c.report = &r
	}
}

// watch stops the program when ctx ends.
func (c *Coordinator) watch(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		run := c.lock()
		defer run.Unlock()
		c.request(run.Now(), cause, nil, true)
	})
	run := c.lock()
	defer run.Unlock()
	c.restore = append(c.restore, func() { stop() })
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

// excuseMain is Step.Excuse with what only main may return: the end of the context given to
// Run, which it may see before its own ends, and an *ExitError that says that all is well.
func (c *Coordinator) excuseMain(r step.Result) step.Result {
	r = c.main.Excuse(r)
	if r.Err == nil || r.How != step.Returned {
		return r
	}
	if e, ok := r.Err.(*ExitError); ok && e != nil && e.Code == 0 && e.Err == nil {
		r.Err = nil
	}
	if e := c.parent.Err(); e != nil && step.Excused(r.Err, e, context.Cause(c.parent)) {
		r.Err = nil
	}
	return r
}

// mainReturned is told that main has come back. It returns false if main had been given
// up before.
func (c *Coordinator) mainReturned(r step.Result) bool {
	returned, code := r.Err, exitCode(r.Err)
	r = c.excuseMain(r)
	run := c.lock()
	defer run.Unlock()
	now := run.Now()
	if c.main.Over() {
		run.After(func() { host{c}.Zombie(&c.main, r) })
		return false
	}
	outcome, err := c.main.Judge(now, r)
	if outcome == step.OK && code != 0 {
		outcome, err = step.Failed, returned // however polite it is otherwise
	}
	c.mainErr, c.panicked, c.mainOver = returned, outcome == step.Panicked, true
	c.request(now, err, nil, false)
	c.main.Finish(now, outcome, err)
	c.main.CloseLocked()
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
	inside := c.calledByStep(ctx)
	if !c.drainAlone(false) {
		c.Stop(nil)
	}
	if inside {
		return ErrInProgress
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

// drainAlone begins a drain without a Run, if nothing has begun yet. byExit says that the
// process ends with it.
func (c *Coordinator) drainAlone(byExit bool) bool {
	run := c.lock()
	defer run.Unlock()
	if c.phase != fresh {
		c.byExit = c.byExit || byExit && c.alone && c.phase < finished
		return false
	}
	if err := c.configure(); err != nil {
		c.note(badSettings{err})
	}
	c.alone, c.byExit, c.mainOver, c.phase, c.parent = true, byExit, true, active, context.Background()
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
