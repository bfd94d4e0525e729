package shutdown

import (
	"context"
	"fmt"
	"sync"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Hold registers work in flight, such as a callback of a library that starts goroutines of its own.
// The drain waits for it until release is called, as it waits for main and within main's budget. A
// hold that is not released in time is abandoned, and named in the report.
//
// Hold may be called before Run. Without a Run, the drain begins with the holds. ok is false if it
// is too late: main has ended or was abandoned. release is never nil. It may be called more than
// once, and by any goroutine.
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

// Go runs work at once, also before Run, on a goroutine of its own, as a hold: the drain waits for
// it, as [Coordinator.Hold] describes. The context of work has the values of ctx. It does not end
// with ctx or with the request to stop, but at the deadline of main. An error, a panic
// or a Goexit of work is logged. If that happens after the stop has begun, it is also a failure in
// the report. No error or panic of work ends the process.
//
// Go returns false, and does not call work, if it is too late: main has ended or was abandoned. Go
// panics if work is nil.
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

// hold adds n beside main, and runs it.
func (c *Coordinator) hold(n *tree.Node, values *tree.Values) bool {
	t := c.lock()
	defer t.Unlock()
	if c.main.Over() || c.phase >= draining || c.body.node.Full() {
		return false
	}
	if c.main.Stopping() { // it has to end within the rest of main's budget
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
