package checks

import (
	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// Unbounded finds stops that nothing limits.
var Unbounded = analyzer("unbounded",
	`a stop that nothing limits

A Shutdown with context.Background() waits for the slowest request, possibly for
ever. So does gRPC's GracefulStop. The process is then killed from outside, and
the code after the Shutdown does not run.`,
	func(c *checker) {
		c.eachCall(func(fn *ssa.Function, call flow.Call) {
			if st, forever, ok := c.OpenStop(call); ok {
				l := c.Lineage(st.Ctx)
				if l.Endless && !l.Bounded && !l.Cancels && !c.BoundedOutside(call) {
					what := st.What
					if st.Via != "" {
						what = st.Via + " (" + st.What + ")"
					}
					c.at(call, nil, "%s gets %s, which never ends: %s, until the process is killed; use context.WithTimeout", what, l.RootName, forever)
				}
				return
			}
			if c.gracefulAlone(fn, call) {
				what := call.Short()
				if s := c.Summary(call); s != nil && s.Graceful != "" {
					what += " (" + s.Graceful + ")"
				}
				c.at(call, nil, "%s waits for every stream, and nothing ends it: one client that stays keeps the process until it is killed; call Stop after a time, from a time.AfterFunc", what)
			}
		})
	})

func (c *checker) gracefulAlone(fn *ssa.Function, call flow.Call) bool {
	return c.GracefulAlone(call) && !c.LeavesToCaller(fn)
}
