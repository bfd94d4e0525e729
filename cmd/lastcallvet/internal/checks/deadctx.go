package checks

import (
	"go/ast"
	"go/version"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// DeadCtx finds stops that are given a context which is done.
var DeadCtx = analyzer("deadctx",
	`a stop that is given a context which is done already

A Shutdown, Stop, Close or Flush that gets a context which is done does not
wait: it returns at once with the context's error, and what it was to wait for
is cut. That is what happens after "<-ctx.Done()", in a function that is
deferred until then, or with a context that was made of that one.`,
	func(c *checker) {
		c.eachCall(func(_ *ssa.Function, call flow.Call) {
			st, ok := c.Stop(call)
			if !ok {
				return
			}
			e, dead := c.DoneAt(call, st.Ctx)
			if !dead || c.madeFor(st) {
				return
			}
			what := st.What
			if st.Via != "" {
				what = st.Via + " (" + st.What + ")"
			}
			c.at(call, c.detach(st), "%s gets a context that %s at %s: it does not wait, and cuts what is still running; give it one of its own, context.WithTimeout(context.WithoutCancel(ctx), ...)",
				what, e.How, c.Line(e.Pos))
		})
	})

// madeFor reports whether a context was made only for this stop and cancelled
// before it. Then the stop is not meant to wait.
func (c *checker) madeFor(st flow.StopCall) bool {
	ex, ok := c.Resolve(st.Ctx).(*ssa.Extract)
	if !ok {
		return false
	}
	e, _ := c.DoneAt(st.Call, st.Ctx)
	return e.Cancelled() && e.Key == c.Key(ex) && c.Uses(ex) == 1
}

// detach is the fix if the stop has a deadline of its own, and only its parent
// context is wrong: the parent keeps its values and loses its end. Without a
// deadline there is no fix, because the user has to choose one.
func (c *checker) detach(st flow.StopCall) []analysis.SuggestedFix {
	ex, ok := c.Resolve(st.Ctx).(*ssa.Extract)
	if !ok || ex.Index != 0 || ex.Parent() != st.Instr.Parent() {
		return nil
	}
	made, ok := ex.Tuple.(*ssa.Call)
	if !ok {
		return nil
	}
	e := c.exprAt(made.Common().Pos())
	if e == nil || len(e.Args) != 2 {
		return nil
	}
	sel, ok := e.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "WithTimeout" && sel.Sel.Name != "WithDeadline" {
		return nil
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok || !c.since("go1.21") || c.cancelled(st, ex) {
		return nil
	}
	return fix("keep the values of the context and drop its end",
		analysis.TextEdit{Pos: e.Args[0].Pos(), End: e.Args[0].Pos(), NewText: []byte(pkg.Name + ".WithoutCancel(")},
		analysis.TextEdit{Pos: e.Args[0].End(), End: e.Args[0].End(), NewText: []byte(")")})
}

// cancelled reports whether the new context itself is done.
func (c *checker) cancelled(st flow.StopCall, made ssa.Value) bool {
	e, _ := c.DoneAt(st.Call, st.Ctx)
	return e.Key == c.Key(made)
}

func (c *checker) since(v string) bool {
	have := c.pass.Pkg.GoVersion()
	return have == "" || version.Compare(have, v) >= 0
}
