package shutdown

import (
	"fmt"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// An Option is given to Register, Start, Scope or NewScope.
type Option interface{ apply(n *tree.Node) }

type option func(*tree.Node)

func (o option) apply(n *tree.Node) { o(n) }

// Name sets the name that a handler has in the log, in the report and for Unregister. Several
// handlers may have the same name. Without Name, a handler has the name of its function. If the
// function is a closure, as those of Closer and Func are, the handler has the file and line of the
// call that registered it.
func Name(name string) Option {
	return option(func(n *tree.Node) { n.SetName(name) })
}

// Timeout is the longest time that a handler may take, or all the handlers of a scope together.
// Zero means no limit of its own. Timeout panics if d is negative.
func Timeout(d time.Duration) Option {
	site.MustNotBeNegative("shutdown: Timeout", d)
	return option(func(n *tree.Node) { n.Timeout = d })
}

// Reserve raises the minimum of a handler or a scope: the time that no step before it can take
// away. Use it for a handler that must flush to a slow disk, for example. The minimum of a handler
// without Reserve is a second, or less if there are many steps. A Reserve that exceeds the Timeout
// counts as the Timeout. Reserve panics if d is negative.
func Reserve(d time.Duration) Option {
	site.MustNotBeNegative("shutdown: Reserve", d)
	return option(func(n *tree.Node) { n.Reserve = d })
}

// Expect names errors that are no failures of a handler, such as the error that zap's Sync returns
// on a terminal: errors that match one of errs by errors.Is. For a task of Start it applies only
// after the task was told to stop. An error that joins others is excused only if every joined error
// is. Scope and NewScope panic if they are given Expect.
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

// Concurrent runs the handlers of a scope at the same time. Register and Start panic if they are
// given Concurrent.
func Concurrent() Option {
	return option(func(n *tree.Node) {
		if n.List == nil {
			panic(fmt.Sprintf("shutdown: Concurrent is an option of scopes, not of the handler at %s", n.Site()))
		}
		n.List.Concurrent = true
	})
}
