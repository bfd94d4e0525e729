package tree

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// nodeKey is the context key under which a step is found.
type nodeKey struct{}

// IsKey reports whether key is that under which the step of a context is found.
func IsKey(key any) bool { return key == nodeKey{} }

// From returns the step that ctx belongs to, nil if it belongs to none. It calls methods of ctx,
// which may be the user's: no lock must be held.
func From(ctx context.Context) *Node {
	n, _ := ctx.Value(nodeKey{}).(*Node)
	return n
}

// A Context is a context of a step. It is a type of its own because three things have to hold
// at once, and no combination of the standard ones does it: it costs nothing while nobody asks
// for Done (a step that ignores its context, which is most handlers); it has the values of one
// context and the end of another; and its end may be a deadline (DeadlineExceeded, with
// ErrGrace as the cause) or a cancellation, which is not known when it is handed out.
//
// Its Deadline does not change: it is what was known when the context was handed out. A limit
// that comes forward later ends the context earlier.
//
// Derived contexts are children without a goroutine: package context uses the AfterFunc
// method. It finds the cause by asking Value for a key of its own, which Ending answers.
type Context struct {
	node     *Node
	deadline time.Duration        // 0 or Never: none
	live     atomic.Pointer[live] // made when asked for; that of an Ending if nobody asked before the end
}

// live is the part of a Context that only a context that is made use of has.
type live struct {
	done chan struct{}

	mu    sync.Mutex
	end   *Ending // nil while the context lives
	after map[*func()]struct{}
}

// An Ending is why and how contexts end; one can end many.
type Ending struct {
	err    error
	cause  error
	causer context.Context // a cancelled context that has nothing but the cause
	live   live            // for contexts that nobody has asked about yet
}

// canceled ends the contexts of a step that has returned, or is stopped by itself; expired those
// of one at its deadline.
var (
	canceled = Asked(context.Canceled)
	expired  = newEnding(context.DeadlineExceeded, ErrGrace)
)

// Asked makes the end of contexts whose steps are asked to stop because of cause.
func Asked(cause error) *Ending { return newEnding(context.Canceled, cause) }

func newEnding(err, cause error) *Ending {
	c, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	e := &Ending{err: err, cause: context.Cause(c), causer: c}
	e.live.done, e.live.end = make(chan struct{}), e
	close(e.live.done)
	return e
}

func (c *Context) finish(e *Ending) {
	if c.live.CompareAndSwap(nil, &e.live) {
		return
	}
	l := c.live.Load()
	l.mu.Lock()
	if l.end != nil {
		l.mu.Unlock()
		return
	}
	l.end = e
	close(l.done)
	after := l.after
	l.after = nil
	l.mu.Unlock()
	for f := range after {
		(*f)()
	}
}

func (c *Context) alive() *live {
	if l := c.live.Load(); l != nil {
		return l
	}
	c.live.CompareAndSwap(nil, &live{done: make(chan struct{})})
	return c.live.Load()
}

func (c *Context) ended() *Ending {
	l := c.live.Load()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Deadline is when the context ends at the latest, if that was known when it was handed out.
func (c *Context) Deadline() (time.Time, bool) { return c.node.tree.instant(c.deadline) }

func (t *Tree) instant(at time.Duration) (time.Time, bool) {
	if at == 0 || at == Never {
		return time.Time{}, false
	}
	return t.Time(at), true
}

// Done is closed when the context ends.
func (c *Context) Done() <-chan struct{} { return c.alive().done }

// Err is nil while the context lives, context.DeadlineExceeded after the step's deadline, else
// context.Canceled.
func (c *Context) Err() error {
	if e := c.ended(); e != nil {
		return e.err
	}
	return nil
}

// Value finds the step, the cause of the end, and the values.
func (c *Context) Value(key any) any {
	if v := c.own(key); v != nil {
		return v
	}
	return c.node.env.value(key)
}

func (c *Context) own(key any) any {
	if key == (nodeKey{}) {
		return c.node
	}
	if e := c.ended(); e != nil {
		return e.causer.Value(key)
	}
	return nil
}

// AfterFunc calls f when the context has ended. Package context calls it for derived contexts,
// whose functions do not block: a derived context ends at once with its parent. A function of
// others is called on a goroutine of its own, or else it could hold up the timer and the signals.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	if !calledByContext() {
		g := f
		f = func() { go g() }
	}
	l := c.alive()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		go f()
		return func() bool { return false }
	}
	if l.after == nil {
		l.after = make(map[*func()]struct{})
	}
	l.after[&f] = struct{}{}
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, ok := l.after[&f]
		delete(l.after, &f)
		return ok
	}
}

// calledByContext reports whether the caller of the method that calls it is package context.
func calledByContext() bool {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	frame, _ := runtime.CallersFrames(pc[:]).Next()
	return strings.HasPrefix(frame.Function, "context.")
}

// String keeps fmt from reading the fields while they change.
func (c *Context) String() string { return "lastcall.Context" }

// Work returns the context for work in hand of the step n, to which ctx belongs: the values of
// ctx, and an end at the step's deadline. Its Deadline is known if the step was told to stop
// before.
func (n *Node) Work(ctx context.Context) context.Context {
	deadline := n.work.deadline
	if !n.called() {
		n.tree.Lock()
		if n.state == stopping {
			deadline = n.deadline
		}
		n.tree.Unlock()
	}
	if c, ok := ctx.(*Context); ok && c.node == n && deadline == n.work.deadline {
		return &n.work
	}
	return &workContext{&n.work, ctx, deadline}
}

// A workContext costs the step nothing, however many jobs take one: it registers with the
// step's context only when a context is derived from it.
type workContext struct {
	*Context
	with     context.Context
	deadline time.Duration
}

func (w *workContext) Deadline() (time.Time, bool) { return w.node.tree.instant(w.deadline) }

func (w *workContext) Value(key any) any {
	if v := w.own(key); v != nil {
		return v
	}
	return w.with.Value(key)
}
