package shutdown

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A pool is the entries of a concurrent scope that run, each on a goroutine of its
// own. When none is left, the drain that started it goes on.
type pool struct {
	d      *drain
	s      *Scope
	scopes []*Scope // those among them
	left   int
}

// fanOut starts all entries of the scope under the cursor, and reports whether the
// drain has to wait for them.
func (d *drain) fanOut(now time.Duration) bool {
	p := &pool{d: d, s: d.at, left: 1} // until all have been started
	d.at.pool = p
	d.parked = true
	for d.at.newest != nil {
		r := d.at.newest
		r.remove()
		p.start(r, now)
	}
	if p.left--; p.left == 0 {
		d.at.pool, d.parked = nil, false
		return false
	}
	return true
}

// start starts an entry. One that comes while others run, too.
func (p *pool) start(r *Registration, now time.Duration) {
	p.left++
	if r.sub != nil {
		p.s.budget.Owe(r.sub.promise)
		p.startScope(r, now)
		return
	}
	l := &lane{p: p, r: r}
	r.step.Turn = &l.turn
	r.step.Promise = p.s.budget.Promise(r.step.Terms)
	p.s.budget.Owe(r.step.Promise)
	// A label of its own: of those that run at the same time, one must not be shown with the
	// stacks of another that was registered in the same place.
	r.step.Init(p.d.c.run.Place(nil, p.d.values, r.step.Name(), "").Within(p.d.clock.Outer()))
	r.step.Waiter = l
	if p.d.clock.Begin(&r.step, p.s.budget, now) {
		p.d.c.run.After(func() { go step.Serve(l) })
	}
}

// startScope drains a scope within a concurrent one.
func (p *pool) startScope(r *Registration, now time.Duration) {
	p.scopes = append(p.scopes, r.sub)
	d := &drain{c: p.d.c, clock: p.d.clock, top: r.sub, at: p.s, values: p.d.values, letGo: p.d.letGo}
	d.over = func(time.Duration) {
		p.d.errs = append(p.d.errs, d.errs...)
		p.over()
	}
	if d.down(r, now) {
		// Someone else closes it. An empty scope is all that is left to drain
		// when that is over.
		d.top = &Scope{c: d.c, state: scopeDraining}
		d.at = d.top
		return
	}
	p.d.c.run.After(d.start)
}

func (p *pool) over() {
	if p.left--; p.left == 0 {
		p.s.pool = nil
		p.d.resume()
	}
}

// A lane runs one handler of a pool.
type lane struct {
	p    *pool
	r    *Registration
	turn step.Turn
}

func (l *lane) Next(last *step.Step, r step.Result) (*step.Step, step.Func, context.Context) {
	if last == nil {
		return &l.r.step, l.r.handler, &l.r.step.Ctx
	}
	r = last.Excuse(r)
	run := l.p.d.c.lock()
	defer run.Unlock()
	l.p.d.c.finish(last, run.Now(), r)
	return nil, nil, nil
}

// StepOver is told when the handler has ended or has been given up.
func (l *lane) StepOver(s *step.Step) {
	l.p.d.failed(s)
	l.p.over()
}
