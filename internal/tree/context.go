package tree

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// nodeKey is the context key of the step that a context belongs to.
type nodeKey struct{}

// IsKey reports whether key is the key of the step that a context belongs to.
func IsKey(key any) bool { return key == nodeKey{} }

// requestKey is the context key of a request.
type requestKey struct{}

// Request returns a context of a request that the step of ctx serves. It belongs to that step. A group
// that runs in a request does not count for the start of the step: see List.InRequest.
func Request(ctx context.Context) context.Context {
	return context.WithValue(ctx, requestKey{}, From(ctx))
}

// InRequest reports whether ctx descends from that of a request, and belongs to the step that serves
// it. A task of a group that runs in the request is another step. InRequest calls methods of ctx, which
// may be the user's code: no lock must be held.
func InRequest(ctx context.Context) bool {
	n, ok := ctx.Value(requestKey{}).(*Node)
	return ok && n == From(ctx)
}

// From returns the step that ctx belongs to, nil if it belongs to none. It calls methods of ctx,
// which may be the user's code: no lock must be held.
func From(ctx context.Context) *Node {
	n, _ := ctx.Value(nodeKey{}).(*Node)
	return n
}

// A Context is a context of a step. No combination of the standard contexts has these three
// properties:
//
//   - It costs nothing until somebody calls Done. Most handlers ignore their context.
//   - It has the values of one context and the end of another.
//   - Its end may be a deadline (DeadlineExceeded, with ErrGrace as the cause) or a cancellation.
//     Which of them it will be is not known when the context is made.
//
// Its Deadline does not change: it is the one known when the step got the context. If a limit comes
// forward later, the context ends earlier.
//
// Derived contexts need no goroutine, because package context calls the AfterFunc method. It finds
// the cause by a key of its own, which Value passes to the Ending.
type Context struct {
	node     *Node
	deadline time.Duration        // 0 or Never: none
	live     atomic.Pointer[live] // made when needed; the one of an Ending if nobody needed it before the end
}

// live is the part of a Context that is made when somebody uses it.
type live struct {
	done chan struct{}

	mu    sync.Mutex
	end   *Ending // nil until the context has ended
	after map[*func()]struct{}
}

// An Ending is the error and the cause with which contexts end. Many contexts can share one.
type Ending struct {
	err    error
	cause  error
	causer context.Context // a cancelled context with the same cause, and without values
	live   live            // for contexts that nobody has used before they end
}

// canceled ends the contexts of a step that has returned, or that stops itself. expired ends the
// contexts of a step at its deadline.
var (
	canceled = Asked(context.Canceled)
	expired  = newEnding(context.DeadlineExceeded, ErrGrace)
)

// Asked makes the Ending of contexts whose steps are asked to stop because of cause.
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

// Deadline returns the latest time of the end, if it was known when the step got the context.
func (c *Context) Deadline() (time.Time, bool) { return c.node.tree.instant(c.deadline) }

func (t *Tree) instant(at time.Duration) (time.Time, bool) {
	if at == 0 || at == Never {
		return time.Time{}, false
	}
	return t.Time(at), true
}

// Done returns a channel that is closed when the context ends.
func (c *Context) Done() <-chan struct{} { return c.alive().done }

// Err returns nil until the context ends, then context.DeadlineExceeded if that was at the step's
// deadline, otherwise context.Canceled.
func (c *Context) Err() error {
	if e := c.ended(); e != nil {
		return e.err
	}
	return nil
}

// Value returns the step, the cause of the end, or a value.
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

// AfterFunc calls f when the context has ended. Package context calls AfterFunc for derived
// contexts, with functions that do not block: a derived context ends at once with its parent. Any
// other f is called on a goroutine of its own, because it could block the timer and the signals.
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

// calledByContext reports whether the calling method was called by package context.
func calledByContext() bool {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	frame, _ := runtime.CallersFrames(pc[:]).Next()
	return strings.HasPrefix(frame.Function, "context.")
}

// String keeps package fmt from reading the fields while they change.
func (c *Context) String() string { return "lastcall.Context" }

// Work returns a work context of the step n, to which ctx belongs: it has the values of ctx and
// ends at the step's deadline. Its Deadline is known if the step was told to stop before.
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

// A workContext costs the step nothing, however many jobs use one: it registers with the step's
// context only when a context is derived from it.
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
