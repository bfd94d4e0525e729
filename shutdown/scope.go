package shutdown

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Scope is a group of handlers that can be run before the program ends: those of a tenant, a
// session, a test. It is an entry of the stack it was made on and takes its turn there. Its
// methods may be called by any goroutine.
//
// It is to handlers what a group.Group is to tasks, and what contextlib.ExitStack is in Python:
// Close is close, Release is pop_all.
type Scope struct {
	c        *Coordinator
	node     tree.Node
	list     tree.List
	released bool // guarded by the tree's lock
}

// init makes s ready to be added to a list, or to be the root.
func (s *Scope) init(c *Coordinator, at site.Origin) {
	s.c, s.node.Origin, s.node.Kind, s.node.List = c, at, tree.Scope, &s.list
}

// Register adds a handler to the scope, as Coordinator.Register does to the program. On a scope
// whose handlers run already it runs next, or at once if they are Concurrent; a scope that is
// made on one takes its turn when those that run have ended. On one that was closed or released
// it will not run: Err of the result is ErrDrained, and it is logged.
func (s *Scope) Register(h func(context.Context) error, opts ...Option) *Registration {
	return s.register(h, site.Here().As(""), opts)
}

func (s *Scope) register(h tree.Func, at site.Origin, opts []Option) *Registration {
	if h == nil {
		panic("shutdown: Register was given a nil handler, at " + at.Site())
	}
	r := &Registration{c: s.c}
	r.node.Origin, r.node.Kind, r.node.Run = at.Named(h), tree.Handler, h
	for _, o := range opts {
		o.apply(&r.node)
	}
	t := s.c.lock()
	defer t.Unlock()
	r.late = s.add(&r.node, nil) != nil
	return r
}

// Scope makes a scope within s. It is closed in its turn, when s is.
func (s *Scope) Scope(name string, opts ...Option) *Scope {
	return s.nest(site.Here().As(name), opts)
}

func (s *Scope) nest(at site.Origin, opts []Option) *Scope {
	sub := new(Scope)
	sub.init(s.c, at)
	for _, o := range opts {
		o.apply(&sub.node)
	}
	t := s.c.lock()
	defer t.Unlock()
	_ = s.add(&sub.node, nil)
	return sub
}

// add puts n on top of the scope. If it is too late for that, it is logged.
func (s *Scope) add(n *tree.Node, values *tree.Values) error {
	err := s.c.tree.Add(&s.node, n, values)
	if err != nil {
		s.c.note(tooLate{n.Name(), n.Site()})
	}
	return err
}

// Close runs the handlers of the scope now, newest first, and takes it out of the scope it was
// made on. It returns their errors, joined.
//
// The contexts of the handlers have the values of ctx but not its end: an already cancelled ctx
// does not cancel what is run. They have until ctx's deadline, if that lies ahead, but no longer
// than until that of the step that calls. Where neither sets a limit, they have Grace. Where the time of that step is over they are left
// to their turn in the program's drain, and the error wraps ErrGrace.
//
// The handlers run once. A Close that comes while they run waits for them, within the limits of
// both, and returns nil; a later one returns nil at once. Where it would wait for its caller (a
// handler of the scope, or of one within; one of two that close each other) it returns
// ErrInProgress at once. If the program stops meanwhile, the drain waits for the scope.
func (s *Scope) Close(ctx context.Context) error {
	t := s.c.lock()
	released := s.released
	t.Unlock()
	if released {
		return nil
	}
	return s.c.close(ctx, &s.node)
}

// Release takes the scope out of the scope it was made on, and hands its handlers over: they run
// when the returned function is called, as by Close, and are otherwise not run at all. A typical
// use is a constructor: until it has succeeded, its scope cleans up; then the cleanup becomes the
// new object's Close.
//
// The function runs them once; later calls return nil. If the scope was closed or released
// before, there is nothing to hand over, and the function does nothing.
func (s *Scope) Release() func(context.Context) error {
	t := s.c.lock()
	defer t.Unlock()
	if !t.Detach(&s.node) {
		return func(context.Context) error { return nil }
	}
	s.released = true
	return func(ctx context.Context) error { return s.c.close(ctx, &s.node) }
}
