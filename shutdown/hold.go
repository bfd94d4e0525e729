package shutdown

import (
	"context"
	"fmt"
	"sync"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Hold tells of work in flight that main's end must wait for, such as a callback of a library
// that starts goroutines of its own. It is awaited like main, within the same budget; one that
// is not released by then is abandoned, and the report has its name.
//
// It returns false if it is too late: main has ended or was abandoned. release is never nil, and
// may be called more than once.
func (c *Coordinator) Hold(name string) (release func(), ok bool) {
	return c.holdFor(site.Here().As(name))
}

func (c *Coordinator) holdFor(at site.Origin) (release func(), ok bool) {
	n := &tree.Node{Origin: at, Kind: tree.Hold}
	if !c.hold(n, tree.ValuesOf(context.Background())) {
		return func() {}, false
	}
	return sync.OnceFunc(func() { c.tree.Return(n, tree.Result{}) }), true
}

// Go runs work on a goroutine of its own, as a Hold. The context of work has the values of ctx
// but not its end: it ends at the deadline of main, and not before, when the program is asked to
// stop. An error, a panic or a Goexit is logged, and is one of the report's failures if it comes
// after the stop has begun; it never ends the process.
//
// It returns false, and does not call work, if it is too late for a Hold. A nil work panics.
func (c *Coordinator) Go(ctx context.Context, name string, work func(context.Context) error) bool {
	return c.goFor(ctx, site.Here().As(name), work)
}

func (c *Coordinator) goFor(ctx context.Context, at site.Origin, work tree.Func) bool {
	if work == nil {
		panic(fmt.Sprintf("shutdown: Go(%q) was given nil work, at %s", at.Name(), at.Site()))
	}
	n := &tree.Node{Origin: at.Named(work), Kind: tree.Hold, Run: work}
	return c.hold(n, tree.ValuesOf(ctx))
}

// hold adds n to what main's end waits for, and has it run.
func (c *Coordinator) hold(n *tree.Node, values *tree.Values) bool {
	t := c.lock()
	defer t.Unlock()
	if c.main.Over() || c.phase >= draining || c.body.node.Full() {
		return false
	}
	if c.main.Stopping() { // within the budget of main, of which some has passed
		n.Timeout = max(1, c.main.End-t.Now())
	}
	if t.Add(&c.body.node, n, values) != nil {
		return false
	}
	if n.Run != nil {
		t.Call(n)
	}
	return true
}
