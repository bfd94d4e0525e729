// Package checks has the analyzers of lastcallvet, one for each code.
package checks

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/report"
)

// All has the analyzers, the last of which checks the directives.
var All = []*analysis.Analyzer{DeadCtx, Unbounded, ServeEnds, Exit, Signals, PackageServe, OuterCtx, NoRun, report.Ignore}

// analyzer makes an analyzer from a check.
func analyzer(code, doc string, check func(*checker)) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     code,
		Doc:      doc,
		URL:      report.URL(code),
		Requires: []*analysis.Analyzer{flow.Analyzer},
		Run: func(pass *analysis.Pass) (any, error) {
			in := pass.ResultOf[flow.Analyzer].(*flow.Info)
			in.Lock() // go vet runs the checks concurrently
			defer in.Unlock()
			if len(in.Funcs) > 0 {
				check(&checker{Info: in, Reporter: report.New(pass, code), pass: pass})
			}
			return nil, nil
		},
	}
}

// A checker runs one check on one package.
type checker struct {
	*flow.Info
	*report.Reporter
	pass  *analysis.Pass
	exprs map[token.Pos]*ast.CallExpr
}

// expr is the syntax of a call, nil if it has none.
func (c *checker) expr(call flow.Call) *ast.CallExpr { return c.exprAt(call.Instr.Common().Pos()) }

// exprAt finds the call expression with its parenthesis at pos.
func (c *checker) exprAt(pos token.Pos) *ast.CallExpr {
	if c.exprs == nil {
		c.exprs = map[token.Pos]*ast.CallExpr{}
		for _, f := range c.pass.Files {
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					c.exprs[call.Lparen] = call
				}
				return true
			})
		}
	}
	return c.exprs[pos]
}

// at reports a finding at a call.
func (c *checker) at(call flow.Call, fixes []analysis.SuggestedFix, format string, args ...any) {
	pos, end := call.Instr.Pos(), token.NoPos
	if e := c.expr(call); e != nil {
		pos, end = e.Pos(), e.End()
	}
	c.Report(pos, end, fixes, format, args...)
}

// eachCall goes over all calls of the package.
func (c *checker) eachCall(visit func(fn *ssa.Function, call flow.Call)) {
	for _, fn := range c.Funcs {
		for _, call := range c.Calls(fn) {
			visit(fn, call)
		}
	}
}

// imports reports whether the package imports one of paths.
func (c *checker) imports(paths ...string) bool {
	for _, imp := range c.pass.Pkg.Imports() {
		for _, p := range paths {
			if imp.Path() == p {
				return true
			}
		}
	}
	return false
}

// fix is a list of one suggested fix.
func fix(message string, edits ...analysis.TextEdit) []analysis.SuggestedFix {
	return []analysis.SuggestedFix{{Message: message, TextEdits: edits}}
}
