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

// Name sets the name that a handler has in the log, in the report and for Unregister. Several may
// have the same. Without a name, the handler has the name of its function. If that is a closure, as
// those of Closer and Func are, it has the file and line of the call that registered it.
func Name(name string) Option {
	return option(func(n *tree.Node) { n.SetName(name) })
}

// Timeout is the longest time that a handler may take, or all the handlers of a scope together.
// Zero means no limit of its own. Timeout panics if d is negative.
func Timeout(d time.Duration) Option {
	site.MustNotBeNegative("shutdown: Timeout", d)
	return option(func(n *tree.Node) { n.Timeout = d })
}

// Reserve raises the minimum of a handler or a scope: the time that the steps before it cannot use.
// Use it for a handler that must flush to a slow disk, for example. The minimum of a handler
// without Reserve is a second, or less if there are many steps. Reserve panics if d is negative.
func Reserve(d time.Duration) Option {
	site.MustNotBeNegative("shutdown: Reserve", d)
	return option(func(n *tree.Node) { n.Reserve = d })
}

// Expect names errors that are no failures of a handler, such as the error that zap's Sync returns
// on a terminal: those that match one of errs by errors.Is. For a task of Start it applies only
// after the task was asked to stop. An error that joins others is excused only if each of them is.
// As an option of a scope, Expect panics.
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

// Concurrent runs the handlers of a scope at the same time. As an option of Register or Start it
// panics.
func Concurrent() Option {
	return option(func(n *tree.Node) {
		if n.List == nil {
			panic(fmt.Sprintf("shutdown: Concurrent is an option of scopes, not of the handler at %s", n.Site()))
		}
		n.List.Concurrent = true
	})
}
