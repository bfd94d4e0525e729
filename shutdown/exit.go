package shutdown

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/stacks"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Exit drains the program and ends the process with this code. If it is called more than once, the
// first code counts. Use it instead of os.Exit, which runs no handlers.
//
// On the goroutine of a step, Exit begins the stop and ends the step by runtime.Goexit: deferred
// functions run, and the step ends as if its function had returned nil. On any other goroutine it
// begins the stop and blocks until the process ends. The goroutine of an HTTP request is not that
// of a step, so the drain would wait for the request, and the request for the drain: use Stop with
// an *ExitError there.
//
// If the program uses Run and not Main, the caller of Run should end the process. If it does not,
// Exit ends the process one second after Run has returned.
//
// Without a Run, Exit drains the program itself. Deferred in func main, it does so when that
// function returns, panics or calls runtime.Goexit:
//
//	func main() {
//		defer shutdown.Exit(0)
//		...
//	}
//
// If func main has itself called runtime.Goexit, a code of 0 becomes 1. On Unix only the low eight bits of a code count; if they
// are 0 and the code is not, it becomes 1.
//
// If func main panics after `defer shutdown.Exit(0)`, Exit drains the program and returns. The panic
// then goes on, and the exit code is 2. If Exit is called by a deferred closure instead, the panic
// is lost, and the exit code is that of Exit. In all other cases Exit does not return.
func (c *Coordinator) Exit(code int) { c.exitFor(code, callerOfExit()) }

// The functions of the runtime that call a deferred function during a panic or a Goexit. Only the
// immediate caller of Exit counts: after a recover, runtime.gopanic is still on the stack.
const (
	byPanic  = "runtime.gopanic"
	byGoexit = "runtime.Goexit"
)

// callerOfExit returns the name of the function that called Exit.
func callerOfExit() string {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	f, _ := runtime.CallersFrames(pc[:]).Next()
	return f.Function
}

func (c *Coordinator) exitFor(code int, by string) {
	c.setup()
	if by == byGoexit && code == 0 {
		code = 1
	}
	at := c.keepCode(code, by == byPanic)
	if at != finished && c.calledByStep(context.Background()) {
		c.stopOrDrain()
		switch by {
		case byPanic:
		case byGoexit:
			tree.MarkLeft()
		default:
			tree.Leave()
		}
		return
	}
	if !c.drainWithoutRun(true) {
		c.Stop(nil)
	}
	if stacks.Inside() { // the goroutine is counted already
		<-c.done
	} else {
		known.Begin()
		<-c.done
		known.End()
	}
	if by == byPanic {
		c.prepareForPanic()
		return
	}
	if at != finished {
		c.waitForOtherExit()
	}
	c.exit(c.exitStatus())
	select {}
}

// stopOrDrain begins the stop for an Exit in a step. If there is no Run, as for a handler that is
// closed before it, stopOrDrain also ends the process after the drain.
func (c *Coordinator) stopOrDrain() {
	if !c.drainWithoutRun(true) {
		c.Stop(nil)
		return
	}
	go func() {
		unlabel()
		<-c.done
		c.exit(c.exitStatus())
	}()
}

// keepCode keeps the first code, and returns the phase.
func (c *Coordinator) keepCode(code int, dying bool) phase {
	t := c.lock()
	defer t.Unlock()
	if !c.exiting {
		c.exiting, c.code, c.panicking = true, code, dying
		if c.report != nil {
			r := *c.report // a copy: callers of Report may have the old one
			r.code = code
			c.report = &r
		}
	}
	return c.phase
}

// runCallerWait is the time that the caller of Run has to use the report before a call of Exit
// elsewhere ends the process.
const runCallerWait = time.Second

// waitForOtherExit gives the caller of Main or Run the time to end the process.
func (c *Coordinator) waitForOtherExit() {
	switch {
	case c.byMain:
		select {} // Main's caller has the code
	case c.calledByRun():
		time.Sleep(runCallerWait)
	}
}

// prepareForPanic prepares for the runtime's report of main's panic. The runtime stops the world
// for it. If standard error is a pipe that nobody reads, the report would block for ever, and
// signals would have no effect.
func (c *Coordinator) prepareForPanic() {
	if c.logStuck {
		unblockStderr()
	}
	c.releaseSignals()
}

// calledByRun reports whether Run was called, so that its caller may end the process.
func (c *Coordinator) calledByRun() bool {
	t := c.lock()
	defer t.Unlock()
	return !c.withoutRun || c.main.Over()
}

// exitStatus returns the report's exit code, unless the process is to end by the signal that
// stopped it: then it ends the process.
func (c *Coordinator) exitStatus() int {
	r := c.Report()
	if sig := r.reraises(); sig != nil && os.Getpid() != 1 {
		c.reraise(sig.Signal)
	}
	time.AfterFunc(duplicateWindow, c.releaseSignals) // a duplicate of the signal must not kill what is about to exit
	return r.ExitCode()
}

func (c *Coordinator) isFresh() bool {
	t := c.lock()
	defer t.Unlock()
	return c.phase == fresh
}

// calledByStep reports whether the caller of Shutdown or Exit is a step of this Coordinator: ctx
// belongs to one, or the goroutine does. It returns true also if that is not certain, so that no
// step can wait for itself: if the goroutine has replaced its profiler labels, or is that of a
// group whose Run got a context of no step.
func (c *Coordinator) calledByStep(ctx context.Context) bool {
	own, alone, hidden := c.tree.Owns(ctx)
	return own || hidden || alone && !c.isFresh()
}
