package shutdown

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/stacks"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Run calls main on a goroutine of its own. It drains the program when main returns, when a signal
// comes, on Stop, or when ctx ends: it cancels main's context, waits for main, and runs the
// handlers. It returns the report when every step has ended or was abandoned.
//
// A signal may end ctx, as it ends a context of os/signal's NotifyContext. If ctx is cancelled
// without a cause of its own, and the process receives one of Signals at most 200 ms later, that
// signal is the cause of the stop. Only the event and the line of the log wait for the cause, the
// stop does not.
//
// Run does not panic if main does, and does not end the process. Only a third signal ends it. Run
// panics if main is nil, if Grace, Delay or Warmup is negative, or if the Coordinator has run before. After
// a drain without a Run, by Shutdown or Exit, Run skips main and returns the report of that drain.
func (c *Coordinator) Run(ctx context.Context, main func(context.Context) error) *Report {
	if !stacks.Inside() { // else the goroutine is counted already
		known.Begin()
		defer known.End()
	}
	c.open(ctx, main, false, site.Here().As("main"))
	<-c.done
	return c.Report()
}

// Main calls main on the caller's goroutine, drains the program as Run does, writes the log, and
// returns the exit code, which Report.ExitCode describes:
//
//	func main() { os.Exit(shutdown.Main(run)) }
//
// If main panics, Main panics again with the same value after the drain. In these cases Main does
// not return but ends the process:
//
//   - after a clean stop by a signal with Reraise: by that signal
//   - if main was abandoned, or has called runtime.Goexit: with the exit code
//   - on a third signal: with 128 + its number
//
// Main panics at once in the cases in which Run does. On a Coordinator other than Default it also
// panics if a handler, a task or a hold is registered on Default, or if Stop was called on Default:
// they would have no effect.
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
			select {} // main was abandoned, and another goroutine ends the process
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

// open begins a Run. It returns false if the program was drained before.
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
	if c.Warmup > 0 {
		c.main.More = &tree.More{Warmup: c.Warmup}
	}
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
	c.checkReady()
	if !byMain {
		t.Call(&c.main)
	}
	switch {
	case c.cause.err != nil: // Stop was called before Run
		c.request(t.Now(), c.cause, false)
	case ended:
		c.parentEnded(t.Now(), end, false)
	}
	return true
}

// negative returns an error if a field is negative. Run panics with it. A drain without a Run logs
// it and uses the default, so that the handlers run all the same.
func (c *Coordinator) negative() error {
	for _, field := range []struct {
		name  string
		value time.Duration
	}{{"Grace", c.Grace}, {"Delay", c.Delay}, {"Warmup", c.Warmup}} {
		if field.value < 0 {
			return fmt.Errorf("shutdown: %s %v is negative", field.name, field.value)
		}
	}
	return nil
}

// mayRun reports whether Run was not called before. The lock is held.
func (c *Coordinator) mayRun() bool { return c.phase == fresh || c.withoutRun && !c.main.Over() }

// skipMain adds main to the report as skipped, for a Run after a drain without one.
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

// Shutdown asks the program to stop, like Stop(nil), and waits until the drain is over, or ctx
// ends. It returns the report's error, or ctx's. The end of ctx ends only the wait: the drain goes
// on.
//
// If a step calls Shutdown, on the step's goroutine or with a context that descends from the
// step's, Shutdown returns ErrInProgress at once: the step would wait for its own end. Without a
// Run, Shutdown drains the program itself, and catches signals until that is done.
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
		case <-c.done: // both have happened: the report counts
		default:
			return ctx.Err()
		}
	}
	return c.Report().Err()
}

// drainWithoutRun begins a drain without a Run, unless a Run or such a drain has begun. byExit says
// that the process ends after it.
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

// Done returns a channel that is closed when the drain is over and the report is final.
func (c *Coordinator) Done() <-chan struct{} {
	c.setup()
	return c.done
}
