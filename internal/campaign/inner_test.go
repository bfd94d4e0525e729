package campaign

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// This file is a program within a step of another one: a Coordinator of its own, which knows of
// the one around nothing but the context that it is given. It is judged like any other.

// runsOne is the act of an actor that runs a program. The context may end when the actor is told,
// when its time is over, or never.
func (w *world) runsOne(sn *seen, ctx context.Context) {
	in := &world{outer: w, base: w.base, release: w.release, fault: w.fault, held: w.held}
	in.has(sn.Program)
	w.note(func() {
		sn.inner = in
		w.inners = append(w.inners, in)
	})
	in.plays(ctx)
}

// fromTheStart reports whether an actor runs its program instead of waiting to be told.
func (a *actor) fromTheStart() bool { return a.Does == runs && a.Way < 3 }

// inside is the context for the program that an actor runs.
func (a *actor) inside(ctx context.Context) context.Context {
	if a.Way == 2 || a.Way == 4 {
		return context.Background()
	}
	return ctx
}

// within notes when the context around a program ends, and makes one that can end before.
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

// parentEnds notes that the context of Run ends. It may be a while until the program can see that.
func (w *world) parentEnds(cause error) {
	until := w.p.Ctx.until(w.obs.start)
	w.heldUp(stimulus{cause: cause, delay: true}, max(0, until-w.now()))
}

// heldUp notes a stimulus that a context of a user's holds up for at most so long.
func (w *world) heldUp(s stimulus, slack time.Duration) {
	if s.maybe = s.maybe || slack > 0; slack > 0 && slack < never {
		time.AfterFunc(slack, func() { w.stimulus(s) })
	}
	w.stimulus(s)
}

// fails notes that a task of a group has failed, which the group's context may hold up.
func (w *world) fails(sn *seen, s stimulus) {
	var until time.Duration
	w.note(func() {
		if until = w.until; sn.in != nil {
			until = sn.in.until
		}
	})
	w.heldUp(s, max(0, until-w.now()))
}

// busy reports whether a program within has not come to its end.
func (w *world) busy() (yes bool) {
	var inners []*world
	w.note(func() { inners = slices.Clone(w.inners) })
	for _, in := range inners {
		in.note(func() { yes = yes || in.obs.report == nil })
		yes = yes || in.busy()
	}
	return yes
}

// lives is how many goroutines of the program, and of those within, there are.
func (w *world) lives() (n int) {
	w.note(func() { n = w.obs.lives() })
	for _, in := range w.inners {
		n += in.lives()
	}
	return n
}

// isOwn holds that a step belongs to the Coordinator whose step it is.
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

// expired reports whether sn has returned an error of which nobody can tell whether it is that of
// its own deadline, which is a failure, or of that of the context around the program, which is what
// it was asked with.
func (m *model) expired(sn *seen) bool {
	stuck := new(group.StuckError)
	return m.parent == context.DeadlineExceeded && sn.how == byReturn && errors.Is(sn.err, m.parent) &&
		!(m.new && errors.As(sn.err, &stuck))
}

// shutsOuter is the act of an actor that shuts down the program around its own.
func (w *world) shutsOuter(sn *seen, work context.Context) {
	d := &descent{at: w.now(), slack: sn.Ctx.slack(), descends: work.Value(around{w.outer}) != nil}
	w.outer.heldUp(stimulus{delay: true, why: asked}, d.slack)
	err := w.outer.c.Shutdown(sn.Ctx.of(w, work))
	w.note(func() {
		d.err, d.end = err, w.now()
		w.obs.descents = append(w.obs.descents, d)
	})
}
