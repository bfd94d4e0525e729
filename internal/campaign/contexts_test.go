package campaign

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file has contexts of a type that is not of package context.

// A strange describes such a context.
type strange struct {
	Hidden bool          // it hides the context that it wraps, so that deriving from it needs a goroutine
	After  time.Duration // the time after which its methods begin to block
	Blocks time.Duration // for how long; 0: not at all, negative: for ever
}

func (s *strange) String() string {
	if s == nil {
		return ""
	}
	text := ifelse(s.Hidden, ", a hidden context", ", a context of its own type")
	if s.Blocks != 0 {
		text += fmt.Sprintf(" that blocks after %v for %v", s.After, s.Blocks)
	}
	return text
}

// never is later than everything.
const never = time.Duration(math.MaxInt64) / 2

// A userContext calls the Coordinator in each of its methods, and may block there. It does neither
// when package context or the campaign itself calls it, since they would block.
type userContext struct {
	context.Context
	w           *world
	hidden      bool
	from, until time.Duration
}

// of wraps a context as s describes. A nil s leaves it as it is.
func (s *strange) of(w *world, ctx context.Context) context.Context {
	if s == nil {
		return ctx
	}
	c := &userContext{Context: ctx, w: w, hidden: s.Hidden, from: w.now() + s.After}
	switch {
	case s.Blocks > 0:
		c.until = c.from + s.Blocks
	case s.Blocks < 0:
		c.until = never
	}
	if s.Hidden {
		return c
	}
	return plainUserContext{c}
}

// A plainUserContext lets package context derive from it without a goroutine.
type plainUserContext struct{ *userContext }

func (c plainUserContext) AfterFunc(f func()) func() bool { return context.AfterFunc(c.Context, f) }

func (c *userContext) Deadline() (time.Time, bool) { c.asked(); return c.Context.Deadline() }
func (c *userContext) Done() <-chan struct{}       { c.w.c.Ready(); return c.Context.Done() }
func (c *userContext) Err() error                  { c.asked(); return c.Context.Err() }

func (c *userContext) Value(key any) any {
	switch key.(type) {
	case *int: // package context's
		if c.hidden {
			return nil
		}
	case closer, around:
	default:
		c.asked()
	}
	return c.Context.Value(key)
}

// asked calls the Coordinator, and blocks.
func (c *userContext) asked() {
	c.w.c.Ready()
	now := c.w.now()
	if now < c.from || now >= c.until {
		return
	}
	c.w.note(func() { c.w.obs.blocked++ })
	defer c.w.note(func() { c.w.obs.blocked-- })
	select {
	case <-time.After(c.until - now):
	case <-c.w.release:
	}
}

// plain returns the wrapped context.
func plain(ctx context.Context) context.Context {
	switch c := ctx.(type) {
	case *userContext:
		return c.Context
	case plainUserContext:
		return c.Context
	}
	return ctx
}

// slack returns how long a call that begins now may be blocked by its context.
func (s *strange) slack() time.Duration {
	switch {
	case s == nil:
		return 0
	case s.Blocks < 0:
		return never
	}
	return s.Blocks
}

// until returns the time after which a context that was made at this time does not block any more.
func (s *strange) until(made time.Duration) time.Duration {
	switch {
	case s == nil || s.Blocks == 0:
		return 0
	case s.Blocks < 0:
		return never
	}
	return made + s.After + s.Blocks
}

// causeOf returns the cause that package context has for ctx, which has ended.
func (s *strange) causeOf(ctx context.Context) error {
	if s != nil && s.Hidden {
		return plain(ctx).Err()
	}
	return context.Cause(plain(ctx))
}

// around is the key of a value in all contexts of a step of the world.
type around struct{ *world }

// A marked is a context of a step for the program that it runs.
type marked struct {
	context.Context
	w *world
}

func (m marked) AfterFunc(f func()) func() bool { return context.AfterFunc(m.Context, f) }

func (m marked) Value(key any) any {
	if key == (around{m.w}) {
		return true
	}
	return m.Context.Value(key)
}

// vague reports whether a context may have delayed the end of main, or of a task of a group, or the
// moment when it was told to stop.
func (m *model) vague(sn *seen) bool {
	switch {
	case sn.kind == shutdown.KindMain:
		return sn.over && sn.err != nil && sn.end < m.p.Ctx.until(m.start)
	case sn.task == nil:
		return false
	case m.over(m.groupOf(sn), sn.begin): // its group runs in an abandoned step
		return true
	case sn.in == nil:
		return m.p.Group.slack() > 0
	}
	return sn.in.Inner.Ctx.slack() > 0 || m.vague(sn.in)
}

// heldUp reports whether a context that sn passed on may block goroutines of sn.
func (m *model) heldUp(sn *seen) bool {
	return m.vague(sn) || sn.Inner != nil && sn.Inner.Ctx.slack() > 0 || sn.inner != nil && sn.inner.p.Ctx != nil
}

// obeysAt reports whether sn waits only for the end of its context at that time.
func (m *model) obeysAt(sn *seen, at time.Duration) bool {
	return sn.Does == obeys && sn.acts && sn.actsAt <= at && !m.vague(sn)
}
