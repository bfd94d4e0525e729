package shutdown

import (
	"context"
	"fmt"
	"slices"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/stacks"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Run calls main, on a goroutine of its own, and drains the program when main returns, when a
// signal comes, on Stop, or when ctx ends: it cancels main's context, waits for main, and runs the
// handlers. It returns the report when every step has ended or was abandoned.
//
// Where ctx was cancelled for a signal, as that of os/signal's NotifyContext is, and this process
// has received one of Signals as well, at most 200 ms after the end of ctx, that signal is the
// cause.
//
// Run never panics because main did, and does not end the process; a third signal
// does. A nil main and a second Run panic. After a drain without a Run, by Shutdown or
// Exit, main is skipped and the report of that drain is returned.
func (c *Coordinator) Run(ctx context.Context, main func(context.Context) error) *Report {
	if !stacks.Inside() { // else it is counted
		known.Begin()
		defer known.End()
	}
	c.open(ctx, main, false, site.Here().As("main"))
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
	return c.mainFor(main, site.Here().As("main"))
}

func (c *Coordinator) mainFor(main tree.Func, at site.Origin) int {
	if c != Default {
		checkDefaultUnused(at)
	}
	defer claimCurrent(c, nil)()
	if !stacks.Inside() {
		known.Begin()
		defer known.End()
	}
	if !c.open(context.Background(), main, true, at) {
		<-c.done
		return c.Report().ExitCode()
	}
	c.tree.Inline(&c.main, func(r tree.Result, inTime bool) {
		if !inTime {
			select {} // it was abandoned, and Main ends the process elsewhere
		}
		<-c.done
		switch r.How {
		case tree.Goexit, tree.Exit:
			c.exit(c.exitStatus())
		case tree.Panic:
			c.prepareForPanic()
		}
	})
	return c.exitStatus()
}

// open begins a Run. It returns false if the program has been drained already.
func (c *Coordinator) open(ctx context.Context, main tree.Func, byMain bool, at site.Origin) bool {
	if c.site != (site.Site{}) {
		at = c.site.As("main")
	}
	if main == nil {
		panic("shutdown: main is nil, at " + at.Site())
	}
	if err := c.negative(); err != nil {
		panic(err.Error() + ", at " + at.Site())
	}
	values, outer := tree.ValuesOf(ctx), tree.From(ctx)
	end, ended := endOf(ctx)
	done := ctx.Done()
	t := c.lock()
	defer t.Unlock()
	if !c.mayRun() {
		panic("shutdown: a Coordinator runs once; it was run again at " + at.Site())
	}
	c.main.Origin = at
	if c.phase != fresh {
		c.skipMain()
		return false
	}
	t.SetValues(values)
	t.Outer = outer
	c.parent, c.parentDone, c.byMain, c.main.Run = ctx, done, byMain, main
	if err := c.configure(); err != nil {
		c.main.Run = func(context.Context) error { return err }
	}
	_ = t.Add(&c.body.node, &c.main, values)
	c.phase = active
	c.out.begin()
	c.watchSignals()
	c.startTasks()
	if !byMain {
		t.Call(&c.main)
	}
	switch {
	case c.cause.err != nil: // of a Stop before
		c.request(t.Now(), c.cause, false)
	case ended:
		c.parentEnded(t.Now(), end, false)
	}
	return true
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
func (c *Coordinator) mayRun() bool { return c.phase == fresh || c.withoutRun && !c.main.Over() }

// skipMain is for a Run after a drain without one, of which main's step is then a part.
func (c *Coordinator) skipMain() {
	c.main.NeverRuns()
	c.main.Start = c.tree.Now()
	main := c.describe(&c.main)
	main.Took, main.Outcome, main.Err = 0, OutcomeSkipped, ErrDrained
	if c.report == nil {
		c.steps = append(c.steps, main)
		c.failures++
		return
	}
	r := *c.report
	r.Steps = append(slices.Clone(r.Steps), main)
	c.report = &r
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
	if !c.drainWithoutRun(false) {
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
func (c *Coordinator) drainWithoutRun(byExit bool) bool {
	t := c.lock()
	defer t.Unlock()
	if c.phase != fresh {
		c.byExit = c.byExit || byExit && c.withoutRun && c.phase < finished
		return false
	}
	if err := c.configure(); err != nil {
		c.note(badSettings{err})
	}
	why := c.cause
	if why.err == nil {
		why = cause{err: ErrStopRequested}
	}
	c.withoutRun, c.byExit, c.phase, c.parent = true, byExit, active, context.Background()
	c.out.begin()
	c.watchSignals()
	c.request(t.Now(), why, false)
	return true
}

// Done is closed when the drain is over and the report is final.
func (c *Coordinator) Done() <-chan struct{} {
	c.setup()
	return c.done
}
