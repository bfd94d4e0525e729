package campaign

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file runs a program inside a step of another one. It has a Coordinator of its own, which has
// only the context from the outer one. The model judges it like any other program.

// runsOne is the act of an actor that runs a program. The context may end when the actor is told to
// stop, at its deadline, or never.
func (w *world) runsOne(sn *seen, ctx context.Context) {
	in := &world{outer: w, base: w.base, release: w.release, fault: w.fault, held: w.held}
	in.has(sn.Program)
	w.note(func() {
		sn.inner = in
		w.inners = append(w.inners, in)
	})
	in.plays(ctx)
}

// fromTheStart reports whether an actor runs its program instead of waiting for the stop.
func (a *actor) fromTheStart() bool { return a.Does == runs && a.Way < 3 }

// inside returns the context for the program that an actor runs.
func (a *actor) inside(ctx context.Context) context.Context {
	if a.Way == 2 || a.Way == 4 {
		return context.Background()
	}
	return ctx
}

// within records the end of the context around a program, and makes a context that can end earlier.
func (w *world) within(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	switch {
	case w.outer == nil:
	case ctx.Err() != nil && !w.p.Alone:
		w.stimulus(stimulus{cause: w.p.Ctx.causeOf(ctx)})
	case !w.p.Alone:
		context.AfterFunc(ctx, func() { w.parentEnds(w.p.Ctx.causeOf(ctx)) })
	}
	if w.outer != nil && ctx != context.Background() {
		ctx = marked{ctx, w.outer}
	}
	if !slices.ContainsFunc(w.p.Events, func(e *event) bool { return e.What == cancelled }) {
		return ctx, func(error) {}
	}
	return context.WithCancelCause(ctx)
}

// parentEnds records the end of the context of Run. The program may see it later.
func (w *world) parentEnds(cause error) {
	until := w.p.Ctx.until(w.obs.start)
	w.heldUp(stimulus{cause: cause, delay: true}, max(0, until-w.now()))
}

// heldUp records a stimulus that the context of a user may delay.
func (w *world) heldUp(s stimulus, slack time.Duration) {
	if s.maybe = s.maybe || slack > 0; slack > 0 && slack < never {
		time.AfterFunc(slack, func() { w.stimulus(s) })
	}
	w.stimulus(s)
}

// fails records that a task of a group has failed. The group's context may delay the effect.
func (w *world) fails(sn *seen, s stimulus) {
	var until time.Duration
	w.note(func() {
		if until = w.until; sn.in != nil {
			until = sn.in.until
		}
	})
	w.heldUp(s, max(0, until-w.now()))
}

// busy reports whether an inner program is still running.
func (w *world) busy() (yes bool) {
	var inners []*world
	w.note(func() { inners = slices.Clone(w.inners) })
	for _, in := range inners {
		in.note(func() { yes = yes || in.obs.report == nil })
		yes = yes || in.busy()
	}
	return yes
}

// lives returns the number of goroutines of the program and of its inner programs.
func (w *world) lives() (n int) {
	w.note(func() { n = w.obs.lives() })
	for _, in := range w.inners {
		n += in.lives()
	}
	return n
}

// isOwn checks that a step belongs to the right Coordinator.
func (w *world) isOwn(sn *seen, ctx context.Context) {
	if shutdown.FromContext(ctx) != w.c {
		w.problem("the context of %s belongs to another Coordinator", sn.Name)
	}
}

// shutsInner is the act of an actor that shuts down a program which another actor runs.
func (w *world) shutsInner(sn *seen, work context.Context) {
	var in *world
	w.note(func() { in = pick(w.inners, sn.Way+sn.Code) })
	if in == nil {
		return
	}
	in.heldUp(stimulus{delay: true, why: asked}, sn.Ctx.slack())
	in.shutsDown(sn.Ctx.of(w, work))
}

// expired reports whether the error of sn has two possible reasons: its own deadline, which is a
// failure, or the deadline of the context around the program, which asked it to stop.
func (m *model) expired(sn *seen) bool {
	stuck := new(group.StuckError)
	return m.parent == context.DeadlineExceeded && sn.how == byReturn && errors.Is(sn.err, m.parent) &&
		!(m.new && errors.As(sn.err, &stuck))
}

// shutsOuter is the act of an actor that shuts down the outer program.
func (w *world) shutsOuter(sn *seen, work context.Context) {
	d := &descent{at: w.now(), slack: sn.Ctx.slack(), descends: work.Value(around{w.outer}) != nil}
	w.outer.heldUp(stimulus{delay: true, why: asked}, d.slack)
	err := w.outer.c.Shutdown(sn.Ctx.of(w, work))
	w.note(func() {
		d.err, d.end = err, w.now()
		w.obs.descents = append(w.obs.descents, d)
	})
}
