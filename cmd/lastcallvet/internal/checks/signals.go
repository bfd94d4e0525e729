package checks

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// Signals finds signals that are caught wrongly.
var Signals = analyzer("signals",
	`signals that are caught wrongly

A server that catches an interrupt but not SIGTERM dies at once when it is
stopped by Kubernetes, systemd or docker stop. One that catches all signals
stops for those of the runtime and the terminal. SIGKILL and SIGSTOP cannot be
caught. A signal that finds an unbuffered channel busy is lost.`,
	func(c *checker) {
		c.eachCall(func(fn *ssa.Function, call flow.Call) {
			k, ok := c.Catch(call)
			if !ok {
				if s := c.Summary(call); s != nil && s.NoTerm != "" && call.Fn == nil && c.serves(fn) && !c.Program().Term {
					c.at(call, nil, "%s catches an interrupt and not SIGTERM (%s): this server dies at once when it is stopped by Kubernetes, systemd or docker stop; add syscall.SIGTERM", call.Short(), s.NoTerm)
				}
				return
			}
			c.uncatchable(call)
			if k.Interrupts() && c.servedFrom(fn) && !c.Program().Term && !c.namesKill(call) {
				c.at(call, c.addTerm(call), "%s catches an interrupt and not SIGTERM: the process dies at once, without a shutdown, when Kubernetes, systemd or docker stop stops it; add syscall.SIGTERM", call.Short())
			}
			if k.All && c.stopsForAny(fn, call) {
				c.at(call, nil, "%s without signals catches all of them: the process stops for SIGURG, which the Go runtime sends to itself, SIGCHLD or SIGWINCH; name them: os.Interrupt, syscall.SIGTERM", call.Short())
			}
			c.unbuffered(call)
		})
	})

// serves reports whether the function that contains fn serves, itself or in a
// function that it calls. Another command of the program that serves does not count.
func (c *checker) serves(fn *ssa.Function) bool { return c.Of(flow.Outermost(fn)).Serves != "" }

// servedFrom is serves. It also covers a helper whose caller in this package serves.
func (c *checker) servedFrom(fn *ssa.Function) bool {
	if c.serves(fn) {
		return true
	}
	out := flow.Outermost(fn)
	found := false
	c.eachCall(func(caller *ssa.Function, call flow.Call) {
		found = found || call.Fn == out && c.Of(flow.Outermost(caller)).Serves != ""
	})
	return found
}

// uncatchable reports SIGKILL and SIGSTOP, by their names, because their numbers
// differ between systems.
func (c *checker) uncatchable(call flow.Call) {
	e := c.expr(call)
	if e == nil {
		return
	}
	hasTerm := false
	for _, a := range e.Args {
		hasTerm = hasTerm || c.named(a) == "SIGTERM"
	}
	for i, a := range e.Args {
		switch name := c.named(a); name {
		case "Kill", "SIGKILL", "SIGSTOP":
			c.Report(a.Pos(), a.End(), c.instead(e, i, hasTerm), "%s cannot be caught: naming it does nothing; SIGTERM is what asks a process to end", types.ExprString(a))
		}
	}
}

// namesKill reports whether a call names SIGKILL. Its author meant SIGTERM, and
// another finding says so.
func (c *checker) namesKill(call flow.Call) bool {
	e := c.expr(call)
	if e == nil {
		return false
	}
	for _, a := range e.Args {
		if n := c.named(a); n == "Kill" || n == "SIGKILL" {
			return true
		}
	}
	return false
}

// named is the name of a signal of os, syscall or x/sys, "" for anything else.
func (c *checker) named(e ast.Expr) string {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	obj := c.pass.TypesInfo.Uses[sel.Sel]
	if obj == nil || obj.Pkg() == nil {
		return ""
	}
	switch obj.Pkg().Path() {
	case "os", "syscall", "golang.org/x/sys/unix", "golang.org/x/sys/windows":
		return obj.Name()
	}
	return ""
}

// instead removes a signal that cannot be caught. If SIGTERM is not caught and
// package syscall is imported, it puts SIGTERM in its place.
func (c *checker) instead(e *ast.CallExpr, i int, hasTerm bool) []analysis.SuggestedFix {
	if hasTerm && i > 0 {
		return fix("remove it", analysis.TextEdit{Pos: e.Args[i-1].End(), End: e.Args[i].End()})
	}
	if name := c.syscallName(e.Pos()); name != "" && !hasTerm {
		return fix("catch SIGTERM", analysis.TextEdit{Pos: e.Args[i].Pos(), End: e.Args[i].End(), NewText: []byte(name + ".SIGTERM")})
	}
	return nil
}

// addTerm adds SIGTERM if package syscall is imported.
func (c *checker) addTerm(call flow.Call) []analysis.SuggestedFix {
	e := c.expr(call)
	if e == nil || e.Ellipsis.IsValid() || len(e.Args) == 0 {
		return nil
	}
	name := c.syscallName(e.Pos())
	if name == "" {
		return nil
	}
	end := e.Args[len(e.Args)-1].End()
	return fix("catch SIGTERM too", analysis.TextEdit{Pos: end, End: end, NewText: []byte(", " + name + ".SIGTERM")})
}

// syscallName returns the name of package syscall in the file at pos, "" if it is
// not imported.
func (c *checker) syscallName(pos token.Pos) string {
	for _, f := range c.pass.Files {
		if pos < f.FileStart || pos > f.FileEnd {
			continue
		}
		for _, imp := range f.Imports {
			if imp.Path.Value == `"syscall"` {
				if imp.Name != nil {
					return imp.Name.Name
				}
				return "syscall"
			}
		}
	}
	return ""
}

// stopsForAny reports whether every signal ends the wait, because the code does not
// check which one came.
func (c *checker) stopsForAny(fn *ssa.Function, call flow.Call) bool {
	if call.Name != "os/signal.Notify" {
		return true
	}
	ch := c.Key(call.Arg(0))
	received := false
	for f := range flow.Tree(flow.Outermost(fn)) {
		for instr := range flow.Instrs(f) {
			switch x := instr.(type) {
			case *ssa.UnOp:
				if x.Op != token.ARROW || c.Key(x.X) != ch {
					continue
				}
				received = true
				if looksAt(x) {
					return false
				}
			case *ssa.Select:
				for i, s := range x.States {
					if s.Dir != types.RecvOnly || c.Key(s.Chan) != ch {
						continue
					}
					received = true
					if v := flow.Received(x, i); v != nil && looksAt(v) {
						return false
					}
				}
			case ssa.CallInstruction:
				if x == call.Instr {
					continue
				}
				k := c.callOf(f, x)
				if k.Name == "os/signal.Stop" || k.Name == "os/signal.Notify" {
					continue
				}
				for _, a := range x.Common().Args {
					if c.Key(a) == ch {
						return false
					}
				}
			case *ssa.Return:
				for _, r := range x.Results {
					if c.Key(r) == ch {
						return false
					}
				}
			case *ssa.Range:
				if c.Key(x.X) == ch {
					return false
				}
			}
		}
	}
	return received
}

func (c *checker) callOf(fn *ssa.Function, instr ssa.CallInstruction) flow.Call {
	for _, k := range c.Calls(fn) {
		if k.Instr == instr {
			return k
		}
	}
	return flow.Call{}
}

// looksAt reports whether a received signal is used other than to print it.
func looksAt(v ssa.Value) bool {
	for _, r := range *v.Referrers() {
		switch x := r.(type) {
		case *ssa.DebugRef:
		case *ssa.Extract:
			if x.Index == 0 && looksAt(x) {
				return true
			}
		case *ssa.ChangeInterface:
			if !onlyListed(x) {
				return true
			}
		case *ssa.Call:
			if !x.Call.IsInvoke() || x.Call.Value != v || x.Call.Method.Name() != "String" {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// onlyListed reports whether a value is only an argument of a variadic call, such as
// log.Println.
func onlyListed(v ssa.Value) bool {
	for _, r := range *v.Referrers() {
		st, ok := r.(*ssa.Store)
		if !ok {
			return false
		}
		if _, ok := st.Addr.(*ssa.IndexAddr); !ok {
			return false
		}
	}
	return true
}

// unbuffered reports a channel without a buffer. Package os/signal does not wait for
// a receiver.
func (c *checker) unbuffered(call flow.Call) {
	if call.Name != "os/signal.Notify" {
		return
	}
	mc, ok := c.Resolve(call.Arg(0)).(*ssa.MakeChan)
	if !ok {
		return
	}
	size, ok := mc.Size.(*ssa.Const)
	if !ok || size.Int64() != 0 {
		return
	}
	var fixes []analysis.SuggestedFix
	if e := c.exprAt(mc.Pos()); e != nil && len(e.Args) == 1 {
		fixes = fix("give it a buffer of one", analysis.TextEdit{Pos: e.Args[0].End(), End: e.Args[0].End(), NewText: []byte(", 1")})
	}
	c.at(call, fixes, "the channel has no buffer: a signal that comes while nobody receives is lost, and the process does not stop; make it with a buffer of 1")
}
