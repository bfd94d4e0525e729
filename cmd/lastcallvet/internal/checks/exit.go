package checks

import (
	"fmt"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// Exit finds exits that skip deferred calls or registered handlers.
var Exit = analyzer("exit",
	`an exit that passes over deferred calls or registered handlers

os.Exit, log.Fatal and their like end the process at once: no deferred call
runs, in no goroutine, and no handler. Files stay, buffers and traces are lost,
and requests are cut. Only deferred calls with an effect outside of the process
count: nobody misses a cancel or an Unlock.`,
	func(c *checker) {
		for _, fn := range c.Funcs {
			c.exits(fn)
		}
	})

// exits reports the first exit of a function that skips something, and the number
// of such exits.
func (c *checker) exits(fn *ssa.Function) {
	var first flow.Call
	var said string
	n := 0
	for _, call := range c.Calls(fn) {
		how, maybe := c.Info.Exit(call)
		if how == "" {
			continue
		}
		missed := c.missed(fn, call)
		if missed == "" {
			continue
		}
		n++
		if first.Instr != nil && first.Instr.Pos() < call.Instr.Pos() {
			continue
		}
		first = call
		verb := "ends"
		if maybe {
			verb = "may end"
		}
		said = fmt.Sprintf("%s %s the process %s", how, verb, missed)
	}
	if n == 0 {
		return
	}
	if n > 1 {
		said += fmt.Sprintf(", and so in %d more places of this function", n-1)
	}
	c.at(first, c.lastcallExit(first), "%s", said)
}

// missed describes what an exit skips, "" if nothing known matters.
func (c *checker) missed(fn *ssa.Function, call flow.Call) string {
	if d, effect := c.pending(fn, call.Instr, false); effect != "" {
		return c.passesOver(d, effect)
	}
	for lit := fn; lit.Parent() != nil; lit = lit.Parent() {
		mc := c.Made(lit)
		if mc == nil {
			break
		}
		ends := c.EndsProgram(lit.Parent())
		if !ends && !c.calledInPlace(lit) {
			break
		}
		if d, effect := c.pending(lit.Parent(), mc, ends && c.Started(lit)); effect != "" {
			return c.passesOver(d, effect)
		}
	}
	return c.overHandlers(fn, call)
}

func (c *checker) passesOver(d flow.Call, effect string) string {
	return fmt.Sprintf("without the call deferred at %s (%s); return an error instead, and exit where nothing is deferred", c.Line(d.Instr.Pos()), effect)
}

// pending finds a call with an effect that is deferred before at. With either it
// also finds one that is deferred later in the same function.
func (c *checker) pending(fn *ssa.Function, at ssa.Instruction, either bool) (flow.Call, string) {
	for _, d := range c.Calls(fn) {
		if !d.Defer() {
			continue
		}
		if !flow.Dominates(d.Instr, at) && !(either && flow.Dominates(at, d.Instr)) {
			continue
		}
		if e, _ := c.Effect(d); e != "" {
			return d, e
		}
	}
	return flow.Call{}, ""
}

// calledInPlace reports whether a function literal is called at once.
func (c *checker) calledInPlace(lit *ssa.Function) bool {
	for _, call := range c.Calls(lit.Parent()) {
		if call.Fn == lit && !call.Go() {
			return true
		}
	}
	return false
}

// overHandlers describes the handlers that an exit skips: the exit is in a function
// that was passed to a registrar with other handlers, or comes after a
// registration in the same function.
func (c *checker) overHandlers(fn *ssa.Function, call flow.Call) string {
	for f := fn; f != nil; f = f.Parent() {
		switch h := c.HandlerOf(f); {
		case strings.HasPrefix(h, "go.uber.org/fx."):
			return "without the OnStop hooks of the others; return the error from the hook, or ask with fx.Shutdowner"
		case h == "github.com/oklog/run.Group.Add":
			return "without the interrupts of the other actors; return the error, which stops the group"
		case strings.HasPrefix(h, "github.com/lastcall-go/lastcall/"):
			return "without the drain: no other task is stopped and no handler runs; return the error, or call shutdown.Exit"
		}
	}
	for _, r := range c.Calls(fn) {
		switch r.Name {
		case "github.com/lastcall-go/lastcall/shutdown.Register", "github.com/lastcall-go/lastcall/shutdown.Coordinator.Register",
			"github.com/lastcall-go/lastcall/shutdown.Start", "github.com/lastcall-go/lastcall/shutdown.Coordinator.Start":
			if flow.Dominates(r.Instr, call.Instr) && !c.afterMain(fn, call) {
				return fmt.Sprintf("without the handler registered at %s; call shutdown.Exit", c.Line(r.Instr.Pos()))
			}
		}
	}
	return ""
}

// afterMain reports whether the exit is os.Exit(shutdown.Main(run)), which is right.
func (c *checker) afterMain(fn *ssa.Function, call flow.Call) bool {
	for _, m := range c.Calls(fn) {
		switch m.Name {
		case "github.com/lastcall-go/lastcall/shutdown.Main", "github.com/lastcall-go/lastcall/shutdown.Coordinator.Main", "github.com/lastcall-go/lastcall/shutdown.Coordinator.Run",
			"github.com/lastcall-go/lastcall/shutdown.Shutdown", "github.com/lastcall-go/lastcall/shutdown.Coordinator.Shutdown":
			if flow.Dominates(m.Instr, call.Instr) {
				return true
			}
		}
	}
	return false
}

// lastcallExit is the fix for handlers of package shutdown: shutdown.Exit runs them
// and ends with the same code.
func (c *checker) lastcallExit(call flow.Call) []analysis.SuggestedFix {
	if call.Name != "os.Exit" {
		return nil
	}
	e := c.expr(call)
	if e == nil {
		return nil
	}
	name := ""
	for _, r := range c.Calls(call.Instr.Parent()) {
		if r.Name == "github.com/lastcall-go/lastcall/shutdown.Register" && flow.Dominates(r.Instr, call.Instr) {
			if re := c.expr(r); re != nil {
				name = qualifier(re)
			}
		}
	}
	if name == "" {
		return nil
	}
	return fix("run the handlers first", analysis.TextEdit{Pos: e.Fun.Pos(), End: e.Fun.End(), NewText: []byte(name + ".Exit")})
}
