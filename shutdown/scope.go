package shutdown

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Scope is a list of handlers that can run before the program stops, such as those of a tenant, a
// session or a test. Otherwise its handlers run during the drain, in the scope's turn: a scope has
// its place among the handlers of the Coordinator or scope that it was made on. Its methods may be
// called by any goroutine.
//
// It is like contextlib.ExitStack in Python: Close is close, and Release is pop_all.
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

// Register adds a handler to the scope, as Coordinator.Register does to the program. If the handlers
// of the scope run already, the new one runs next, or at once if the scope is Concurrent. If the
// scope was closed or released, the handler will not run: Err of the Registration is ErrDrained,
// and the log has an error.
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

// Scope makes a scope within s. When s is closed, the new scope is closed in its turn. If the
// handlers of s run already, its turn comes when those that run have ended. If s was closed or
// released, the new scope is closed: the log has an error, and handlers that are registered in the
// new scope will not run.
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

// add adds n to the scope. If it is too late for that, it logs an error.
func (s *Scope) add(n *tree.Node, values *tree.Values) error {
	err := s.c.tree.Add(&s.node, n, values)
	if err != nil {
		s.c.note(tooLate{n.Name(), n.Site()})
	}
	return err
}

// Close runs the handlers of the scope now, newest first, and returns their errors, joined. They do
// not run again during the drain. The log has the errors, too. The report has those of handlers that
// end while the program stops.
//
// The contexts of the handlers have the values of ctx but not its end, so a cancelled ctx does not
// cancel them. The handlers have until the earlier of two deadlines: that of ctx, and that of the
// calling step if it is stopping. A deadline of ctx that has passed does not count. Without either
// deadline they have the grace period. If the calling step has no time left, Close runs nothing and
// returns an error that wraps ErrGrace. The handlers then run in their turn during the drain.
//
// A Close while the handlers run waits for them and returns nil. The earlier limit of the two calls
// applies. A later Close returns nil at once. If Close would wait for its own caller, it returns
// ErrInProgress at once: the caller may be a handler of the scope, or two handlers may close each
// other. If the program stops while Close runs, the drain waits for the scope.
func (s *Scope) Close(ctx context.Context) error {
	t := s.c.lock()
	released := s.released
	t.Unlock()
	if released {
		return nil
	}
	return s.c.close(ctx, &s.node)
}

// Release takes the scope out of the drain: its handlers run only when the returned function is
// called, which does what Close would do. It suits a constructor: if the constructor fails, it
// closes the scope; if it succeeds, the returned function becomes the Close of the new object.
//
// The function runs the handlers once; later calls return nil. If the scope was closed or released
// before, the function does nothing.
func (s *Scope) Release() func(context.Context) error {
	t := s.c.lock()
	defer t.Unlock()
	if !t.Detach(&s.node) {
		return func(context.Context) error { return nil }
	}
	s.released = true
	return func(ctx context.Context) error { return s.c.close(ctx, &s.node) }
}
