package campaign

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file closes parts of the stack early: with Registration.Close, Scope.Close, and the function
// that Scope.Release returns.

// A closing is a call of one of them.
type closing struct {
	reg      *seen  // the handler or scope that was closed:
	sc       *scope // either of them
	hand     bool   // by the function that Release returned
	maker    *actor // the actor that made it, if that actor closes it
	at, end  time.Duration
	slack    time.Duration // how long its context may have blocked
	back     bool          // it has returned
	limit    time.Duration // the deadline that it was given, 0 if there was none ahead
	caller   *seen         // the actor that calls it, nil if none
	by       *seen         // whose context it has, nil if that is of no step
	deadline time.Duration // of that context when the call had returned, 0 if unknown even then
	err      error
}

// leftToItsTurn begins the error of a Close that had no time left. Such a Close changes nothing.
const leftToItsTurn = "shutdown: no time is left to close it now"

// closer is the key of a context value: the actor of a world that closes something with this context.
type closer struct{ *world }

// closes closes a handler or a scope. The context is the work context of the actor by, if that
// is not nil.
func (w *world) closes(c *closing, by *seen, ctx context.Context, d time.Duration, how *strange) {
	f := w.closerOf(c)
	if d == asLongAsItTakes {
		d = c.length()
	}
	c.at, c.by = w.now(), by
	work := ctx
	ctx, cancel := within(ctx, d)
	defer cancel()
	if by != nil {
		ctx = context.WithValue(ctx, closer{w}, by) // last, so that within needs no goroutine
	}
	c.slack = how.slack()
	if t, ok := ctx.Deadline(); ok && d > 0 && time.Until(t) > c.slack {
		c.limit = t.Sub(w.base)
	}
	w.note(func() {
		w.obs.closings = append(w.obs.closings, c)
		if c.slack > 0 {
			w.obs.changes = append(w.obs.changes, c.at+c.slack)
		}
	})
	err := f(how.of(w, ctx))
	deadline, ok := work.Deadline()
	refused := errors.Is(err, shutdown.ErrInProgress) || err != nil && strings.HasPrefix(err.Error(), leftToItsTurn)
	w.note(func() {
		switch {
		case !refused || c.hand:
		case c.reg != nil:
			c.reg.closes--
			c.reg.closed = c.reg.closes > 0
		default:
			c.sc.closes--
			c.sc.closed = c.sc.closes > 0
		}
		c.back, c.end, c.err = true, w.now(), err
		if ok {
			c.deadline = deadline.Sub(w.base)
		}
	})
	if c.reg != nil && !refused && !errors.Is(err, shutdown.ErrGrace) {
		w.settles(c.reg)
	}
}

// closerOf returns the function to call.
func (w *world) closerOf(c *closing) func(context.Context) error {
	switch {
	case c.reg != nil:
		w.note(func() { c.reg.closes++; c.reg.closed = true })
		return c.reg.reg.Close
	case !c.hand:
		w.note(func() { c.sc.closes++; c.sc.closed = true })
		return c.sc.scope.Close
	}
	var f func(context.Context) error
	w.note(func() { f = c.sc.hand })
	if f == nil {
		f = w.releases(c.sc)
	}
	return f
}

// releases releases a scope and keeps the function that it gets, for another actor. To release it
// again has no effect.
func (w *world) releases(sc *scope) func(context.Context) error {
	w.note(func() {
		if !sc.released {
			sc.released, sc.releasedAt = true, w.now()
		}
	})
	f := sc.scope.Release()
	w.note(func() {
		if sc.hand == nil {
			sc.hand = f
		}
		f = sc.hand
	})
	return f
}

// length returns how long the closed handler takes, or the first handler of the closed scope.
func (c *closing) length() time.Duration {
	switch {
	case c.reg != nil:
		return c.reg.For
	case len(c.sc.Entries) > 0 && c.sc.Entries[0].Actor != nil:
		return c.sc.Entries[0].Actor.For
	}
	return 0
}

// closesOne is the act of an actor. It passes its own context, or another one.
func (w *world) closesOne(sn *seen, work context.Context) {
	c := &closing{hand: sn.Does == hands, caller: sn}
	w.note(func() {
		switch n := sn.Way + sn.Code; {
		case sn.Way < 2 && sn.home != nil && sn.home.scope != nil:
			c.sc = sn.home // the very scope that it is in
		case c.hand || sn.Code%2 == 0 && len(w.scopes) > 0:
			c.sc = pick(w.scopes, n)
		default:
			c.reg = pick(w.regs, n)
		}
	})
	by := sn
	if sn.Way == 4 {
		by, work = nil, context.Background()
	}
	if sn.Way == 3 { // late
		select {
		case <-work.Done():
			time.Sleep(ifelse(sn.Code%2 == 0, 20*ms, 300*ms))
		case <-w.release:
		}
	}
	if w.isReleased() {
		return // everything is recorded already
	}
	w.changes()
	if c.sc != nil || c.reg != nil {
		w.closes(c, by, work, sn.Within, sn.Ctx)
	}
}

// into returns the scope on which an actor registers: its own, another one, or the stack.
func (w *world) into(sn *seen) (in *scope) {
	in = w.obs.top
	w.note(func() {
		switch n := len(w.scopes); {
		case sn.home != nil && sn.Code == 0:
			in = sn.home
		case n > 0 && sn.Code == 1:
			in = w.scopes[n-1]
		case n > 0 && sn.Code == 2:
			in = pick(w.scopes, sn.Way)
		}
	})
	return in
}

// makesOne is the act of an actor that makes a scope. It then leaves it, closes it, or releases it. If
// it releases it, it calls the returned function or leaves that to others.
func (w *world) makesOne(sn *seen, work context.Context) {
	w.changes()
	sc := w.makes(sn.Scope, w.into(sn), sn.actor)
	by := sn
	if sn.Code == 3 {
		by, work = nil, context.Background()
	}
	switch sn.Way {
	case 1, 2:
		w.closes(&closing{sc: sc, hand: sn.Way == 2, maker: sn.actor, caller: sn}, by, work, sn.Within, sn.Ctx)
	case 3:
		w.releases(sc)
	}
}

// ends is how steps ended, also before the stop and after the end.
func ends(events []noted) map[string]noted {
	ends := make(map[string]noted)
	for _, n := range events {
		if e, ok := n.Event.(shutdown.StepEnded); ok {
			ends[e.Name] = n
		}
	}
	return ends
}

// checkClosings checks that a Close ends in time, has run its handlers newest first, and returns the
// errors of these handlers and no others.
func (m *model) checkClosings() {
	for _, c := range m.closings {
		if c.slack == never {
			continue
		}
		latest := max(m.latest(c, c.at), m.latest(c, c.at+c.slack))
		if c.back && c.end > latest || !c.back && m.returned > latest {
			m.found("close", "%v has not ended by %v: %+v", c, latest, *c)
		}
		if c.back {
			m.checkErrors(c)
		}
		// The Close that runs the handlers waits for them. The others may not wait for it.
		waits := !m.new && (!c.back || c.end > c.at)
		if c.slack == 0 && (waits || m.first(c)) && !errors.Is(c.err, shutdown.ErrInProgress) {
			m.checkClosed(c)
		}
	}
}

func (c *closing) String() string {
	switch {
	case c.reg != nil:
		return "Close of " + c.reg.Name
	case c.hand:
		return "what Release of " + c.sc.name() + " has returned"
	}
	return "Close of " + c.sc.name()
}

// first reports whether no other call can have closed the same before c.
func (m *model) first(c *closing) bool {
	if c.sc == nil || c.at >= m.delayEnd || c.sc.released != c.hand || len(c.failures()) == 0 && c.err != nil {
		return false
	}
	for sc := c.sc.parent; sc != nil; sc = sc.parent {
		if sc.released {
			return false
		}
	}
	return !slices.ContainsFunc(m.closings, func(o *closing) bool {
		return o.at <= c.at && *o != *c && o.sc != nil && o.sc.around(c.sc)
	})
}

// latest returns the time at which a Close that begins at from must be over.
func (m *model) latest(c *closing, from time.Duration) time.Duration {
	latest := from + m.p.Grace
	if c.limit > 0 {
		latest = c.limit
	}
	switch {
	case m.new && c.by == nil && c.caller != nil && c.limit == 0 && !m.over(c.caller, from):
		// The step is found by its goroutine.
		latest = max(latest, ifelse(c.caller.kind == shutdown.KindHandler, c.caller.begin+c.caller.left+500*ms, m.began+m.report.Grace))
	case c.by != nil && c.deadline == 0 && c.limit == 0:
		// A task that is being closed has no deadline in its context, but the time of its closer.
		for _, o := range m.closings {
			if o.includes(c.by) && o.at <= from {
				latest = max(latest, o.limit)
			}
		}
	case c.by == nil || c.deadline == 0 || m.over(c.by, from):
	case from >= c.deadline: // it has half of the step's remaining time
		latest = min(latest, c.deadline+500*ms)
	case c.limit > 0:
		latest = min(latest, c.deadline)
	case slices.ContainsFunc(m.seen, func(sn *seen) bool {
		return c.includes(sn) && (sn.at > from || sn.at == from && sn.begin >= c.deadline)
	}):
		latest = c.deadline + 500*ms // a handler that was registered after the Close had begun may begin at the deadline
	default:
		latest = c.deadline
	}
	if from < m.drained {
		latest = min(latest, m.began+m.report.Grace)
	}
	if c.sc != nil && c.sc.Timeout > 0 {
		latest = min(latest, from+c.sc.Timeout)
	}
	return latest
}

// over reports whether sn had its outcome by then.
func (m *model) over(sn *seen, at time.Duration) bool {
	end, ok := m.ends[ifelse(sn.kind == shutdown.KindMain, "main", sn.Name)]
	return ok && end.at <= at
}

var stepInError = regexp.MustCompile(`(?:handler|task) "([^"]+)"`)

// failures returns the names of the steps in the error of a Close.
func (c *closing) failures() (names []string) {
	if c.err == nil {
		return nil
	}
	for _, match := range stepInError.FindAllStringSubmatch(c.err.Error(), -1) {
		names = append(names, match[1])
	}
	return names
}

// checkErrors compares the error of a Close with the failures of the handlers that it closed.
func (m *model) checkErrors(c *closing) {
	names := c.failures()
	for i, name := range names {
		sn, end := m.byName[name], m.ends[name]
		failed, _ := end.Event.(shutdown.StepEnded)
		if failed.Outcome == outcomeSkipped && c.end == c.at && c.slack == 0 && c.at < m.began+m.report.Grace && sn != nil && !m.released(sn) && !limited(sn) {
			m.found("close", "%v has skipped %s, and did not leave it to its turn", c, name)
		}
		if sn == nil || !c.includes(sn) || failed.Outcome == outcomeOK || end.at > c.end || end.at < c.at || slices.Contains(names[:i], name) {
			m.found("close", "%v returned %v, and %s was %+v", c, c.err, name, end)
		}
	}
	if len(names) == 0 && c.err != nil && (c.end > c.at+c.slack || !errors.Is(c.err, shutdown.ErrGrace)) && !(m.new && errors.Is(c.err, shutdown.ErrInProgress)) {
		m.found("close", "%v returned %v, at %v", c, c.err, c.end)
	}
}

// includes reports whether sn was closed by c, or is in a scope that was.
func (c *closing) includes(sn *seen) bool {
	return c.reg != nil && c.reg.actor == sn.actor || c.sc != nil && c.sc.around(sn.home)
}

// runs reports whether c, if it runs anything, is the only call that runs sn.
func (c *closing) runs(sn *seen) bool {
	if !c.includes(sn) || c.sc != nil && (sn.closed || sn.started) {
		return false
	}
	if c.reg != nil {
		return true
	}
	for sc := sn.home; sc != c.sc; sc = sc.parent {
		if sc.closed || sc.released {
			return false
		}
	}
	return true
}

// waitsForCaller reports whether this Close may have returned before sn was over, because its caller
// is one of the steps that it closes, and sn runs after the caller or beside it.
func (c *closing) waitsForCaller(sn *seen) bool {
	if c.by == nil || c.sc == nil || !c.sc.around(c.by.home) {
		return false
	}
	for sc := c.by.home; sc != c.sc.parent; sc = sc.parent {
		if sc.Concurrent {
			return true
		}
	}
	return sn.order < c.by.order
}

// checkClosed checks a Close that has run all its handlers.
func (m *model) checkClosed(c *closing) {
	names := c.failures()
	var spans []span
	for _, sn := range m.seen {
		if !c.runs(sn) || sn.refused || sn.won {
			continue
		}
		end, ended := m.ends[sn.Name]
		e, _ := end.Event.(shutdown.StepEnded)
		ended = ended && end.at <= ifelse(c.back, c.end, m.returned)
		failed := ended && e.Outcome != outcomeOK
		switch {
		case sn.calls == 0:
			if c.back && c.sc != nil && (sn.at < c.at || c.maker != nil && sn.maker == c.maker) && !c.waitsForCaller(sn) && !slices.Contains(names, sn.Name) {
				m.found("close", "%v is over at %v, and %s was not called: %v", c, c.end, sn.Name, c.err)
			}
			continue
		case sn.begin < c.at || c.back && sn.begin > c.end || sn.started && sn.end < c.at:
			continue
		case c.back && sn.over && sn.bad() && sn.end < c.end && !failed:
			m.found("close", "%s, which %v has run, has failed, and its event is %+v", sn.Name, c, e)
		case c.back && failed != slices.Contains(names, sn.Name) && !c.waitsForCaller(sn):
			m.found("close", "%v returned %v, and %s was %v", c, c.err, sn.Name, e.Outcome)
		}
		if sn.kind == shutdown.KindHandler && c.limit > 0 && sn.begin+sn.left > c.limit {
			m.found("close", "%s may take until %v, and %v until %v", sn.Name, sn.begin+sn.left, c, c.limit)
		}
		if c.sc != nil && sn.home == c.sc && !c.sc.Concurrent {
			over := ifelse(ended, end.at, m.returned)
			if sn.over {
				over = min(over, sn.end)
			}
			spans = append(spans, span{at: sn.at, order: sn.order, begin: sn.begin, first: sn.begin, end: over, name: sn.Name, maker: sn.maker})
		}
	}
	m.checkSpans(spans)
}
