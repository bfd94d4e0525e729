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

// Exit drains the program and ends the process with this code; the first call's
// counts. It takes the place of os.Exit, which runs no handlers.
//
// Within main, a task, a hold or a handler, on its goroutine, it begins the stop and
// ends that step as if its function had returned. Anywhere else it begins the stop and
// blocks until the process ends. After a Run that is not Main's, that is when Run's
// caller ends it, or a second after Run has returned. In an HTTP request, whose
// goroutine is not a step's, use Stop with an *ExitError.
//
// Where there is no Run it drains by itself. Deferred in main, it also serves where
// main returns, panics or calls runtime.Goexit:
//
//	func main() {
//		defer shutdown.Exit(0)
//		...
//	}
//
// After a Goexit the code is 1 if it was 0; on Unix, so it is for a code other than 0 of
// which the low eight bits, all that counts there, are 0. In a panic, where Exit is itself the
// deferred function, it drains and returns, so that the panic goes on untouched, with
// exit code 2. It returns nowhere else.
func (c *Coordinator) Exit(code int) { c.exitFor(code, callerOfExit()) }

// The callers of a deferred function in a goroutine that does not return normally.
// Only the immediate caller tells: after a recover, the panic is still further down.
const (
	byPanic  = "runtime.gopanic"
	byGoexit = "runtime.Goexit"
)

// callerOfExit is the name of the function that called Exit.
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
	if stacks.Inside() { // it is counted
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

// stopOrDrain begins the stop for an Exit in a step. Where there is no Run, in a handler
// that was closed before one, the end of the process is in nobody else's hand.
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

// keepCode keeps the first code. It returns where the program is.
func (c *Coordinator) keepCode(code int, dying bool) phase {
	t := c.lock()
	defer t.Unlock()
	if !c.exiting {
		c.exiting, c.code, c.panicking = true, code, dying
		if c.report != nil {
			r := *c.report // who has it keeps what was final
			r.code = code
			c.report = &r
		}
	}
	return c.phase
}

// forRunsCaller is how long the caller of Run has to make use of the report before a
// call of Exit elsewhere ends the process.
const runCallerWait = time.Second

// letOthersExit gives the process's end to whoever else has it in hand.
func (c *Coordinator) waitForOtherExit() {
	switch {
	case c.byMain:
		select {} // Main's caller has the code
	case c.calledByRun():
		time.Sleep(runCallerWait)
	}
}

// letPanic prepares for the runtime's report of main's panic, which stops the world for
// good: where standard error is a pipe that nobody reads, it would block in it for ever,
// with nobody left to hear a signal.
func (c *Coordinator) prepareForPanic() {
	if c.logStuck {
		unblockStderr()
	}
	c.releaseSignals()
}

// calledByRun reports whether there is a caller of Run to wait for.
func (c *Coordinator) calledByRun() bool {
	t := c.lock()
	defer t.Unlock()
	return !c.withoutRun || c.main.Over()
}

// exitStatus is the report's exit code. If the process is to end by the signal that
// stopped it, it does so here.
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

// calledByStep reports whether the caller of Shutdown is a step of this Coordinator's: by the
// context it has given, or because it runs on the goroutine of one. Where the label is hidden, by
// one of the step's own making, or that of a group which was given a context of no step, the
// safe answer is the one that cannot wait for itself.
func (c *Coordinator) calledByStep(ctx context.Context) bool {
	own, alone, hidden := c.tree.Owns(ctx)
	return own || hidden || alone && !c.isFresh()
}
