package shutdown

import (
	"fmt"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// An Option is given to Register, Start or Scope.
type Option interface{ apply(n *tree.Node) }

type option func(*tree.Node)

func (o option) apply(n *tree.Node) { o(n) }

// Name names a handler in logs and in the report, and for Unregister. Several may have the same.
// Without it, or if it is empty, the name is that of the handler function; for a closure, and for
// what Closer and Func make, the file and line of the call that registered it.
func Name(name string) Option {
	return option(func(n *tree.Node) { n.SetName(name) })
}

// Timeout is the most that a handler may take, or all the handlers of a scope together. Zero
// means as much as can be given. It panics if d is negative.
func Timeout(d time.Duration) Option {
	site.MustNotBeNegative("shutdown: Timeout", d)
	return option(func(n *tree.Node) { n.Timeout = d })
}

// Reserve is the least that is kept back for a handler, or for a scope, whatever runs before it:
// for the one that must flush to a slow disk. Without it, each has a second at least, or less
// where there are many. It panics if d is negative.
func Reserve(d time.Duration) Option {
	site.MustNotBeNegative("shutdown: Reserve", d)
	return option(func(n *tree.Node) { n.Reserve = d })
}

// Expect names errors that are no failure of a handler, whenever it returns, or of a task that
// was started and was asked to stop: those that match one of errs by errors.Is, such as what
// zap's Sync of a terminal returns. An error that joins others is excused only if each of them
// is. Given to a scope it panics.
func Expect(errs ...error) Option {
	errs = slices.Clone(errs)
	return option(func(n *tree.Node) {
		if n.List != nil {
			panic(fmt.Sprintf("shutdown: Expect is an option of handlers, not of the scope at %s", n.Site()))
		}
		if n.More == nil {
			n.More = new(tree.More)
		}
		n.More.Expect = append(n.More.Expect, errs...)
	})
}

// Concurrent has the handlers of a scope run side by side. Given to Register or Start it panics
// there.
func Concurrent() Option {
	return option(func(n *tree.Node) {
		if n.List == nil {
			panic(fmt.Sprintf("shutdown: Concurrent is an option of scopes, not of the handler at %s", n.Site()))
		}
		n.List.Concurrent = true
	})
}
