package campaign

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// This file performs the acts of actors, and the events beside them.

// begins records the start of an actor.
func (w *world) begins(sn *seen, work context.Context) {
	err, left := work.Err(), time.Duration(-1)
	d, ok := work.Deadline()
	if ok {
		left = time.Until(d)
	}
	w.note(func() {
		if sn.isCalled(w.now()) {
			w.obs.problems = append(w.obs.problems, sn.Name+" was called again, and it had not failed")
		}
		sn.calls++
		sn.begin, sn.ctxErr, sn.left, sn.deadline, sn.work = w.now(), err, left, d, work
		if sn.kind == shutdown.KindHandler {
			sn.by, _ = work.Value(closer{w}).(*seen)
		}
	})
}

// waits waits until main or a task is told to stop, or until it returns alone.
func (w *world) waits(sn *seen, ctx context.Context) {
	if sn.fromTheStart() {
		w.runsOne(sn, sn.inside(ctx))
		return
	}
	var alone <-chan time.Time
	switch {
	case sn.failsByItself():
		alone = time.After(sn.Again.Lasts)
	case sn.Alone > 0:
		alone = time.After(sn.Alone)
	}
	select {
	case <-ctx.Done():
		w.note(func() { sn.told, sn.toldAt = true, w.now() })
	case <-alone:
	case <-w.release:
	}
}

// performs does the rest. before is the error of the actor if it does not fail in another way.
func (w *world) performs(sn *seen, work context.Context, before error) error {
	w.callsBack(sn, work)
	w.note(func() { sn.acts, sn.actsAt = true, w.now() })
	switch sn.Does {
	case deaf:
		w.stuck(sn.Way)
	case obeys:
		select {
		case <-time.After(sn.For):
		case <-work.Done():
			err := work.Err()
			deadline, ok := work.Deadline()
			c := &contextEnd{w.now(), ok && !time.Now().Before(deadline), err, context.Cause(work)}
			w.note(func() { sn.ended = c })
			switch {
			case sn.Way%2 == 1:
				err = c.cause
			case sn.Way == 2 && err == context.Canceled:
				err = polite{}
			}
			return w.ends(sn, work, byReturn, either(before, err))
		case <-w.release:
		}
	default:
		if sn.For > 0 {
			select {
			case <-time.After(sn.For):
			case <-w.release:
			}
		}
	}
	if w.isReleased() {
		return nil
	}
	does := sn.Does
	switch {
	case does == shuts && sn.Way%2 == 1:
		does = fails
	case does == runs && sn.Code%2 == 1 && sn.inner.obs.report.Err() != nil:
		does = fails
	}
	switch does {
	case returns:
		if sn.Way == 4 && sn.told && work.Err() == nil {
			return w.ends(sn, work, byReturn, either[error](before, polite{}))
		}
	case fails:
		return w.ends(sn, work, byReturn, either[error](before, failure{sn.Name}))
	case codes:
		return w.ends(sn, work, byReturn, either[error](before, &shutdown.ExitError{Code: sn.Code}))
	case leaks:
		w.note(func() { sn.leak = true })
		go w.leak()
	case panics:
		_ = w.ends(sn, work, byPanic, errBoom)
		w.panics(sn.Way)
	case goexits:
		_ = w.ends(sn, work, byGoexit, group.ErrGoexit)
		runtime.Goexit()
	case exits:
		if sn.Way == 3 { // and a deferred function panics
			_ = w.ends(sn, work, byPanic, errBoom)
			defer panic(errBoom)
			w.exits(sn.Code)
		}
		_ = w.ends(sn, work, byExit, nil)
		w.exits(sn.Code)
	}
	return w.ends(sn, work, byReturn, before)
}

// A failure is the error of one actor. If all actors had the same error, a step might return the cause
// of its stop, which counts as no error.
type failure struct{ of string }

func (f failure) Error() string { return f.of + " fails" }

func either[T comparable](a, b T) T {
	var none T
	return ifelse(a != none, a, b)
}

func (w *world) isReleased() bool {
	select {
	case <-w.release:
		return true
	default:
		return false
	}
}

// ends records the end of an actor, and whether it stops the program.
func (w *world) ends(sn *seen, work context.Context, h how, err error) error {
	d, ok := work.Deadline()
	late, expired := ok && time.Now().After(d), errors.Is(work.Err(), context.DeadlineExceeded)
	var closed, shut bool
	var notStarted error
	w.note(func() {
		closed, shut = sn.closed, sn.shuts != nil
		if sn.hears != nil && sn.hears.Err() != nil && !sn.told { // the goroutine that records it has not run yet
			sn.told, sn.toldAt = true, w.now()
		}
		if h == byReturn && err == nil && w.endedTooEarly(sn) {
			notStarted = errNotStarted
		}
		sn.over, sn.end, sn.how, sn.err, sn.late, sn.expired = true, w.now(), h, either(err, notStarted), late, expired
		sn.moved = work == sn.work && !d.Equal(sn.deadline) // the functions of a pair have a context each
	})
	late = late || newCore && expired
	bad := sn.bad()
	switch {
	case sn.kind == shutdown.KindMain:
		// Its result is compared with the error of the context of Run.
		until := ifelse(err == nil, 0, w.p.Ctx.until(w.obs.start))
		w.heldUp(stimulus{cause: ifelse(bad || late, sn.err, nil), why: mainReturned}, max(0, until-w.now()))
	case sn.kind == shutdown.KindTask && sn.started && !sn.told:
		w.stimulus(stimulus{cause: ifelse(bad, err, nil), fault: bad, why: taskEnded, of: sn.Name, maybe: closed})
	case sn.Again != nil && bad && !sn.told:
		w.note(sn.mayBeCalledAgain)
	case sn.MayFail:
	case sn.kind == shutdown.KindTask && !sn.started && (bad || late):
		w.fails(sn, stimulus{cause: sn.err, maybe: shut || late || sn.in != nil || sn.Inner != nil})
	}
	return err
}

// bad reports whether the result is a failure even if it comes in time.
func (sn *seen) bad() bool {
	var sig *signals.Error
	var code *shutdown.ExitError
	switch {
	case sn.failedAt > 0:
		return true
	case newCore && errors.As(sn.err, new(polite)) && sn.how == byReturn && sn.aloneErr == nil:
		return false
	case sn.how == byPanic || sn.how == byGoexit || sn.aloneErr != nil:
		return true
	case sn.err == nil, sn.err == context.Canceled, errors.As(sn.err, &sig):
		return false
	case sn.kind == shutdown.KindMain && errors.As(sn.err, &code):
		return code.Code != 0
	}
	return true
}

//go:noinline
func (w *world) leak() { <-w.release }

// stuck blocks in one of the ways in which the clock of a bubble still advances. It would stop for a
// mutex, a system call or a loop.
//
//go:noinline
func (w *world) stuck(way int) {
	switch way {
	case 0:
		<-w.release
	case 1:
		w.wg.Wait()
	case 2:
		w.cond.L.Lock()
		defer w.cond.L.Unlock()
		for !w.released {
			w.cond.Wait()
		}
	case 3:
		select {
		case <-w.release:
		case <-(chan int)(nil):
		}
	default:
		for !w.isReleased() {
			time.Sleep(time.Minute)
		}
	}
}

func (w *world) panics(way int) {
	switch way {
	case 0:
		panic(errBoom)
	case 1:
		panic(nil) //nolint // it is a *runtime.PanicNilError
	case 2:
		panic(context.Canceled) // this is a failure
	case 3: // while a Goexit is under way: the goroutine ends even though it is recovered
		defer panic(errBoom)
		runtime.Goexit()
	default:
		panic("boom")
	}
}

func (w *world) exits(code int) {
	w.note(func() { w.obs.codes = append(w.obs.codes, exit{w.now(), code}) })
	w.stimulus(stimulus{delay: true, why: byExitCall})
	w.c.Exit(code)
}

// callsBack makes the actor's calls of the Coordinator.
func (w *world) callsBack(sn *seen, work context.Context) {
	if w.isReleased() {
		return // everything is recorded already
	}
	switch sn.Does {
	case stops:
		w.stimulus(stimulus{delay: true, why: asked})
		w.c.Stop(nil)
	case shutsDown:
		if w.outer != nil && sn.Way > 2 {
			w.shutsOuter(sn, work)
			return
		}
		w.heldUp(stimulus{delay: true, why: asked}, sn.Ctx.slack())
		if err := w.c.Shutdown(sn.Ctx.of(w, work)); !w.isReleased() && !errors.Is(err, shutdown.ErrInProgress) {
			w.problem("Shutdown in %s returned %v, want ErrInProgress", sn.Name, err)
		}
	case registers:
		w.changes()
		w.register(sn.Sub, w.into(sn), sn.actor)
	case makes:
		w.makesOne(sn, work)
	case runs:
		if sn.inner == nil {
			w.runsOne(sn, sn.inside(work))
		}
	case shutsInner:
		w.shutsInner(sn, work)
	case spawns:
		w.hold(sn.Ctx.of(w, work), sn.Sub, sn.Ctx)
	case closes, hands:
		w.closesOne(sn, work)
	case unregisters:
		w.changes()
		w.unregistersOne(sn)
	case asks:
		w.asksForReport()
	case shuts:
		w.shutsOne(sn, work)
	case quiesces:
		w.quiesce()
	}
}

// waitsFor makes a call that may take long.
func (w *world) waitsFor(f func()) {
	w.note(func() { w.obs.pending++ })
	defer w.note(func() { w.obs.pending-- })
	f()
}

var causes = []struct {
	err   error
	fault bool
}{
	{nil, false},
	{errStop, true},
	{context.Canceled, false},
	{&signals.Error{Signal: syscall.SIGTERM}, false},
	{&shutdown.ExitError{Code: 3}, true},
	{&shutdown.ExitError{}, false},
	{nil, false},
	{&shutdown.ExitError{Code: 5, Err: errStop}, true},
}

// fire makes an event happen.
func (w *world) fire(e *event) {
	ctx := context.Background()
	switch e.What {
	case signalled:
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}[e.N%2]
		w.stimulus(stimulus{cause: &signals.Error{Signal: sig}, delay: true})
		w.note(func() { w.obs.signals = append(w.obs.signals, sent{w.now(), sig}) })
		w.signals <- sig
	case stopped:
		cause := causes[e.N%len(causes)]
		w.stimulus(stimulus{cause: cause.err, fault: cause.fault, delay: true, why: asked})
		w.c.Stop(cause.err)
	case cancelled:
		w.parentEnds(ifelse(w.p.Ctx != nil && w.p.Ctx.Hidden, context.Canceled, errParent))
		w.cancel(errParent)
	case quiesced:
		w.quiesce()
	case resumed:
		w.resumes()
	case begun:
		w.waitsFor(func() { w.hold(e.Ctx.of(w, ctx), e.Sub, e.Ctx) })
	case exited:
		w.waitsFor(func() { w.exits(e.N % 4) })
	case shutDown:
		w.heldUp(stimulus{delay: true, why: asked}, e.Ctx.slack())
		w.waitsFor(func() { _ = w.c.Shutdown(e.Ctx.of(w, ctx)) })
	case shutTask:
		var task *seen
		w.note(func() { task = pick(w.tasks, e.N) })
		if task != nil {
			w.waitsFor(func() { w.shuts(nil, task, ctx, e.Within, e.Ctx) })
		}
	case looked:
		w.asksForReport()
	case addedTask:
		if w.p.Tasks != nil {
			w.addTask(&w.g, e.Sub, nil)
		}
	default:
		w.meddle(ctx, e)
	}
}

// meddle changes the stack, or closes a part of it early.
func (w *world) meddle(ctx context.Context, e *event) {
	var reg *seen
	var sc *scope
	w.note(func() {
		reg, sc = pick(w.regs, e.N), pick(w.scopes, e.N)
	})
	w.changes()
	switch {
	case e.What == registered && sc != nil && e.N%2 == 0:
		w.register(e.Sub, sc, nil)
	case e.What == registered:
		w.register(e.Sub, w.obs.top, nil)
	case e.What == made && sc != nil && e.N%2 == 0:
		w.makes(e.Scope, sc, nil)
	case e.What == made:
		w.makes(e.Scope, w.obs.top, nil)
	case e.What == unregistered && reg != nil:
		w.unregisters(reg, e.N%2 == 0)
	case e.What == closedHandler && reg != nil:
		w.waitsFor(func() { w.closes(&closing{reg: reg}, nil, ctx, e.Within, e.Ctx) })
	case e.What == closedScope && sc != nil:
		w.waitsFor(func() { w.closes(&closing{sc: sc}, nil, ctx, e.Within, e.Ctx) })
	case e.What == releasedScope && sc != nil:
		w.releases(sc)
	case e.What == handedOver && sc != nil:
		w.waitsFor(func() { w.closes(&closing{sc: sc, hand: true}, nil, ctx, e.Within, e.Ctx) })
	}
}

// settles records that sn has begun by now, or will never begin.
func (w *world) settles(sn *seen) {
	at := w.now()
	w.note(func() {
		if sn.settled == 0 {
			sn.settled = at
		}
	})
}

func pick[T any](from []*T, n int) *T {
	if len(from) == 0 {
		return nil
	}
	return from[n%len(from)]
}
