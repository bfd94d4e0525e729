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
	size   int // of the entries
	uneven int // those of them that are scopes, or have terms of their own
	state  scopeState
	budget *step.Budget // what its handlers are started from, once that is planned
	drain  *drain       // who runs them
	pool   *pool        // those of a concurrent one that run
	after  []*drain     // who waits for it to be closed

	// Once the stop of what it is in is planned:
	sum     time.Duration // what its entries are owed together
	promise time.Duration // what it is owed itself, by the scope that it is in
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
// are Concurrent; a scope that is made on one takes its turn when those that run have
// ended. On one that was closed or released it will not run: Err of the
// result is ErrDrained, and it is logged.
func (s *Scope) Register(h func(context.Context) error, opts ...Option) *Registration {
	return s.register(h, step.CallSite().As(""), opts)
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
	return s.nest(name, step.CallSite().As(name), opts)
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
	if sub.entry.late {
		sub.state = scopeClosed
	}
	return sub
}

// add puts r on top of the scope, if it is not too late for that.
func (s *Scope) add(r *Registration, now func() time.Duration) {
	r.home = s
	switch {
	case s.state == scopeClosed || s.state == scopeReleased:
		r.late = true
		s.c.note(tooLate{r.step.Name(), r.step.Site()})
	case s.pool != nil && r.sub == nil:
		s.pool.start(r, now())
	default:
		s.push(r)
		s.owe(r, now)
	}
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
	if s.pool != nil {
		for _, sub := range s.pool.scopes {
			sub.named(name, f)
		}
	}
}

// Close runs the handlers of the scope now, newest first, and takes it out of the
// scope it was made on. It returns their errors, joined.
//
// The contexts of the handlers have the values of ctx but not its end: an already
// cancelled ctx does not cancel what is run. They have until ctx's deadline, if that
// lies ahead; else until the cut of the step that ctx belongs to; else Grace. Where the
// time of that step is over they are left to their turn in the program's drain, and the
// error wraps ErrGrace.
//
// The handlers run once: a later Close, or one of a scope whose turn has come,
// returns nil at once. So does one that a handler of a scope within s calls, with a context
// that descends from its own, when it comes to that: the rest of s runs when the handler's
// scope is done. If the program stops meanwhile, the drain waits for the scope.
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
	by := callerOf(ctx)
	run := s.c.lock()
	if s.state != from {
		run.Unlock()
		return nil
	}
	return s.c.closeNow(by, s)
}
