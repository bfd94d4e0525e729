package checks

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// OuterCtx finds handlers that use a context other than the one they are given.
var OuterCtx = analyzer("outerctx",
	`a handler that uses the context of the function around it

A handler is called with a context that is alive and has the deadline of the
stop. One that uses the context of the function that registered it uses one
that is done by then, or that knows nothing of the deadline.`,
	func(c *checker) {
		for _, fn := range c.Funcs {
			for _, h := range c.Handlers(fn) {
				switch {
				case h.Stopping():
					c.outer(h)
				case h.To == "net/http.Server.RegisterOnShutdown":
					c.onShutdown(h)
				}
			}
		}
	})

func (c *checker) outer(h flow.Handler) {
	who := shortest(h.To)
	if h.Fn != nil && h.Fn.Parent() != nil {
		if st, own, ok := c.OuterUse(h.Fn); ok {
			c.at(st.Call, c.useOwn(h.Fn, own, st), "%s gets the context of the function around this handler, which is done or knows no deadline when the handler runs; use the context that %s gives it", st.What, who)
		}
		return
	}
	if s := c.SummaryOf(h.Target); s != nil && s.Ignores != "" {
		c.Report(c.place(h), token.NoPos, nil, "%s does not use the context that %s gives it: it gives %s one that its receiver keeps, which is done or knows no deadline by then; use its own", flow.ShortName(h.Obj), who, s.Ignores)
		return
	}
	if h.Made != nil {
		if s := c.Summary(*h.Made); s != nil && s.ReturnsOuter != 0 {
			c.at(*h.Made, nil, "%s returns a handler that gives %s the context it was made with, which is done or knows no deadline when the handler runs; use the context that %s gives it", h.Made.Short(), s.StopName, who)
		}
	}
}

// onShutdown checks a function of RegisterOnShutdown. It has no context of its
// own, and runs after the signal that ends a context of signal.NotifyContext.
func (c *checker) onShutdown(h flow.Handler) {
	if h.Fn == nil || h.Fn.Parent() == nil {
		return
	}
	for f := range flow.Tree(h.Fn) {
		for _, call := range c.Calls(f) {
			st, ok := c.Stop(call)
			if !ok {
				continue
			}
			if l := c.Lineage(st.Ctx); l.Signal {
				c.at(call, nil, "%s gets a context that a signal ends, and this runs after the signal: it does not wait; make one with context.WithTimeout(context.WithoutCancel(ctx), ...)", st.What)
			}
		}
	}
}

func (c *checker) place(h flow.Handler) token.Pos {
	if e := c.exprAt(h.Pos); e != nil {
		return e.Pos()
	}
	if h.Pos.IsValid() {
		return h.Pos
	}
	return h.At.Parent().Pos()
}

// useOwn is the fix: it uses the handler's own context, and names it if needed.
func (c *checker) useOwn(fn *ssa.Function, own *ssa.Parameter, st flow.StopCall) []analysis.SuggestedFix {
	lit, ok := fn.Syntax().(*ast.FuncLit)
	if !ok || st.Instr.Parent() != fn || len(lit.Type.Params.List) == 0 {
		return nil
	}
	e := c.expr(st.Call)
	if e == nil {
		return nil
	}
	var arg *ast.Ident
	for _, a := range e.Args {
		if id, ok := a.(*ast.Ident); ok && flow.IsContext(c.pass.TypesInfo.TypeOf(id)) {
			arg = id
		}
	}
	names := lit.Type.Params.List[0].Names
	if arg == nil || len(names) != 1 {
		return nil
	}
	if names[0].Name == "_" {
		return fix("name the handler's context", analysis.TextEdit{Pos: names[0].Pos(), End: names[0].End(), NewText: []byte(arg.Name)})
	}
	scope := c.pass.TypesInfo.Scopes[lit.Type]
	if scope == nil || names[0].Name == arg.Name {
		return nil
	}
	if inner := scope.Innermost(arg.Pos()); inner == nil {
		return nil
	} else if _, obj := inner.LookupParent(names[0].Name, arg.Pos()); obj != c.pass.TypesInfo.Defs[names[0]] {
		return nil
	}
	return fix("use the handler's context", analysis.TextEdit{Pos: arg.Pos(), End: arg.End(), NewText: []byte(names[0].Name)})
}

// shortest returns a registrar's name as in source code: "fx.Hook.OnStop".
func shortest(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// qualifier is the name of the package in a call like shutdown.Register.
func qualifier(e *ast.CallExpr) string {
	if sel, ok := e.Fun.(*ast.SelectorExpr); ok {
		if id, ok := sel.X.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}
