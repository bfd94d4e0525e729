package shutdown

import (
	"context"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A Scope is a group of handlers that can be run before the program ends: those
// of a tenant, a session, a test. It is an entry of the stack it was made on and
// takes its turn there. Its methods may be called by any goroutine.
//
// It is to handlers what a group.Group is to tasks, and what contextlib.ExitStack
// is in Python: Close is close, Release is pop_all.
type Scope struct {
	c          *Coordinator
	entry      Registration // in the scope that it is part of
	concurrent bool

	// Guarded by the run's lock.
	newest *Registration
	state  scopeState
	budget *step.Budget // what its handlers are started from, once that is planned
	drain  *drain       // who runs them
	pool   *pool        // those of a concurrent one that run
	after  []*drain     // who waits for it to be closed
}

type scopeState int8

const (
	scopeOpen     scopeState = iota
	scopeReleased            // waits for the call of what Release returned
	scopeDraining
	scopeClosed
)

// Register adds a handler to the scope, as Coordinator.Register does to the
// program. On a scope whose handlers run already it runs next, or at once if they
// are Concurrent. On one that was closed or released it will not run: Err of the
// result is ErrDrained, and it is logged.
func (s *Scope) Register(h func(context.Context) error, opts ...Option) *Registration {
	return s.register(h, step.Call(1, ""), opts)
}

func (s *Scope) register(h step.Func, at step.Origin, opts []Option) *Registration {
	if h == nil {
		panic("shutdown: Register was given a nil handler, at " + at.Site())
	}
	r := &Registration{c: s.c, handler: h}
	r.step.Origin, r.step.Kind = at.Named(h), step.Handler
	for _, o := range opts {
		o.apply(r)
	}
	run := s.c.lock()
	defer run.Unlock()
	s.add(r, run.Now)
	return r
}

// Scope makes a scope within s. It is closed in its turn, when s is.
func (s *Scope) Scope(name string, opts ...Option) *Scope {
	return s.nest(name, step.Call(1, name), opts)
}

func (s *Scope) nest(name string, at step.Origin, opts []Option) *Scope {
	sub := &Scope{c: s.c}
	sub.entry.c, sub.entry.sub, sub.entry.step.Origin = s.c, sub, at
	for _, o := range opts {
		o.apply(&sub.entry)
	}
	run := s.c.lock()
	defer run.Unlock()
	s.add(&sub.entry, run.Now)
	if sub.entry.err != nil {
		sub.state = scopeClosed
	}
	return sub
}

// add puts r on top of the scope, if it is not too late for that.
func (s *Scope) add(r *Registration, now func() time.Duration) {
	r.home = s
	switch {
	case s.state == scopeClosed || s.state == scopeReleased:
		r.err = ErrDrained
		s.c.note(tooLate{r.step.Name(), r.step.Site()})
	case s.pool != nil:
		s.pool.start(r, now())
	default:
		s.push(r)
		if b := s.planned(); b != nil {
			s.owe(r, b, now())
		}
	}
}

func (s *Scope) push(r *Registration) {
	r.member, r.older = true, s.newest
	if s.newest != nil {
		s.newest.newer = r
	}
	s.newest = r
}

// named calls f for each handler with this name, in s and all scopes within.
func (s *Scope) named(name string, f func(*Registration)) {
	for r := s.newest; r != nil; {
		older := r.older
		switch {
		case r.sub != nil:
			r.sub.named(name, f)
		case r.step.Name() == name:
			f(r)
		}
		r = older
	}
}

// count is how many steps s has one after the other: those of a concurrent scope
// count as its largest.
func (s *Scope) count() int {
	n := 0
	for r := s.newest; r != nil; r = r.older {
		k := 1
		if r.sub != nil {
			k = r.sub.count()
		}
		if s.concurrent {
			n = max(n, k)
		} else {
			n += k
		}
	}
	return n
}

// plan works out what each entry is owed by b, and returns the sum of it: for a
// concurrent scope, the largest.
func (s *Scope) plan(b *step.Budget) (sum time.Duration) {
	for r := s.newest; r != nil; r = r.older {
		r.promise = b.Promise(r.step.Terms)
		if r.sub != nil {
			r.promise = r.sub.owed(r.sub.plan(b))
		}
		sum = s.with(sum, r.promise)
	}
	return sum
}

func (s *Scope) with(sum, promise time.Duration) time.Duration {
	if s.concurrent {
		return max(sum, promise)
	}
	return step.Sum(sum, promise)
}

// owed is the promise to a scope whose entries are owed sum.
func (s *Scope) owed(sum time.Duration) time.Duration {
	t := s.entry.step.Terms
	sum = max(sum, t.Reserve)
	if t.Timeout > 0 {
		sum = min(sum, t.Timeout)
	}
	return sum
}

// owe adds the promise to an entry that came after the plan was made.
func (s *Scope) owe(r *Registration, b *step.Budget, now time.Duration) {
	r.promise = b.Promise(r.step.Terms)
	if r.sub != nil {
		r.promise = r.sub.owed(0)
	}
	delta := r.promise
	for ; s.budget == nil; s = s.entry.home {
		before := s.entry.promise
		s.entry.promise = s.owed(s.with(before, delta))
		delta = max(0, s.entry.promise-before)
	}
	s.budget.Owe(delta)
	if s.budget.Fit(now) {
		s.c.scaled()
	}
}

// forgive takes back what r was owed. What a concurrent scope is owed for its
// largest stays: it costs nothing but a little of the hogs' time.
func (s *Scope) forgive(r *Registration) {
	if s.planned() == nil {
		return
	}
	for ; s.budget == nil; s = s.entry.home {
		if s.concurrent {
			return
		}
		s.entry.promise = max(0, s.entry.promise-r.promise)
	}
	if !s.concurrent {
		s.budget.Forgive(r.promise)
	}
}

// planned is the budget that s will be drained from, nil if there is none yet.
func (s *Scope) planned() *step.Budget {
	for ; s != nil; s = s.entry.home {
		if s.budget != nil {
			return s.budget
		}
	}
	return nil
}

// Close runs the handlers of the scope now, newest first, and takes it out of the
// scope it was made on. It returns their errors, joined.
//
// The contexts of the handlers have the values of ctx but not its end: an already
// cancelled ctx does not cancel what is run. They have until ctx's deadline, if that
// lies ahead; else until the cut of the step that ctx belongs to; else Grace.
//
// The handlers run once: a later Close, or one of a scope whose turn has come,
// returns nil at once. If the program stops meanwhile, the drain waits for the scope.
func (s *Scope) Close(ctx context.Context) error {
	return s.close(ctx, scopeOpen)
}

// Release takes the scope out of the scope it was made on, and hands its handlers
// over: they run when the returned function is called, as by Close, and are otherwise
// not run at all. A typical use is a constructor: until it has succeeded, its scope
// cleans up; then the cleanup becomes the new object's Close.
//
// The function runs them once; later calls return nil. If the scope was closed or
// released before, there is nothing to hand over, and the function does nothing.
func (s *Scope) Release() func(context.Context) error {
	run := s.c.lock()
	defer run.Unlock()
	if s.state != scopeOpen {
		return func(context.Context) error { return nil }
	}
	s.state = scopeReleased
	s.leave()
	return func(ctx context.Context) error { return s.close(ctx, scopeReleased) }
}

// leave takes the scope out of the one it is an entry of.
func (s *Scope) leave() { s.entry.unlink() }

func (s *Scope) close(ctx context.Context, from scopeState) error {
	run := s.c.lock()
	if s.state != from {
		run.Unlock()
		return nil
	}
	if s.entry.member {
		// It stays an entry, so that the program's drain waits for it. What it
		// is owed there is its own affair now.
		s.entry.home.forgive(&s.entry)
		s.entry.promise = 0
	}
	return s.c.closeNow(ctx, s)
}
