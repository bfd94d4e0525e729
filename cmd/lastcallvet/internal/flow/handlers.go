package flow

import (
	"go/token"

	"golang.org/x/tools/go/ssa"
)

const (
	lastcall = "github.com/lastcall-go/lastcall/"
	fxHook   = "go.uber.org/fx.Hook"
)

// registrars lists the functions that take handlers, with the indexes of these
// arguments.
var registrars = map[string][]int{
	lastcall + "shutdown.Register":             {0},
	lastcall + "shutdown.Coordinator.Register": {0},
	lastcall + "shutdown.Scope.Register":       {0},
	lastcall + "shutdown.Start":                {0},
	lastcall + "shutdown.Coordinator.Start":    {0},
	lastcall + "shutdown.Main":                 {0},
	lastcall + "shutdown.Coordinator.Main":     {0},
	lastcall + "shutdown.Coordinator.Run":      {1},
	lastcall + "shutdown.Go":                   {2},
	lastcall + "shutdown.Coordinator.Go":       {2},
	lastcall + "group.Group.Go":                {1},
	lastcall + "group.Group.Add":               {1, 2},
	lastcall + "group.Group.AddActor":          {1, 2},
	"go.uber.org/fx.StartHook":                 {0},
	"go.uber.org/fx.StopHook":                  {0},
	"go.uber.org/fx.StartStopHook":             {0, 1},
	"github.com/oklog/run.Group.Add":           {0, 1},
	"net/http.Server.RegisterOnShutdown":       {0},
	"github.com/go-kratos/kratos.BeforeStop":   {0},
	"github.com/go-kratos/kratos.AfterStop":    {0},
	"github.com/go-kratos/kratos.BeforeStart":  {0},
	"github.com/go-kratos/kratos.AfterStart":   {0},
}

// fields lists struct fields that are handlers, or that run a program.
var fields = map[string]bool{
	fxHook + ".OnStart":                    true,
	fxHook + ".OnStop":                     true,
	"github.com/spf13/cobra.Command.Run":   true,
	"github.com/spf13/cobra.Command.RunE":  true,
	"github.com/urfave/cli.Command.Action": true,
	"github.com/urfave/cli.App.Action":     true,
}

// A Handler is a function that is registered for the start or stop of a program.
type Handler struct {
	Target
	To    string // who gets it: "go.uber.org/fx.Hook.OnStop", "net/http.Server.RegisterOnShutdown"
	Index int    // of the argument
	At    ssa.Instruction
	Value ssa.Value
	Pos   token.Pos
}

// Handlers lists the handlers that fn registers.
func (in *Info) Handlers(fn *ssa.Function) []Handler {
	var list []Handler
	for instr := range Instrs(fn) {
		switch x := instr.(type) {
		case *ssa.Store:
			fa, ok := x.Addr.(*ssa.FieldAddr)
			if !ok {
				continue
			}
			to := typeName(fa.X.Type()) + "." + fieldName(fa)
			if fields[to] {
				list = append(list, Handler{Target: in.Target(x.Val), To: to, At: x, Value: x.Val, Pos: x.Pos()})
			}
		case ssa.CallInstruction:
			c := in.call(x)
			for _, i := range registrars[c.Name] {
				if v := c.Arg(i); v != nil {
					list = append(list, Handler{Target: in.Target(v), To: c.Name, Index: i, At: x, Value: v, Pos: x.Pos()})
				}
			}
		}
	}
	return list
}

func (in *Info) findHandlers() {
	for _, fn := range in.Funcs {
		for _, h := range in.Handlers(fn) {
			if h.Fn != nil {
				in.handlers[h.Fn] = h.To
			}
		}
	}
}

// HandlerOf returns the registrar of fn, "" if none is known.
func (in *Info) HandlerOf(fn *ssa.Function) string { return in.handlers[fn] }

// Stopping reports whether h is called to stop something, with a context of
// its own.
func (h Handler) Stopping() bool {
	switch h.To {
	case fxHook + ".OnStop", "go.uber.org/fx.StopHook",
		"github.com/go-kratos/kratos.BeforeStop", "github.com/go-kratos/kratos.AfterStop",
		lastcall + "shutdown.Register", lastcall + "shutdown.Coordinator.Register", lastcall + "shutdown.Scope.Register":
		return true
	case "go.uber.org/fx.StartStopHook":
		return h.Index == 1
	case lastcall + "group.Group.Add":
		return h.Index == 2
	}
	return false
}

// OuterUse finds the stop within handler fn that is given a context of the
// function around it, though fn has one of its own.
func (in *Info) OuterUse(fn *ssa.Function) (StopCall, *ssa.Parameter, bool) {
	own := ownContext(fn)
	if own == nil {
		return StopCall{}, nil, false
	}
	for f := range Tree(fn) {
		for _, c := range in.Calls(f) {
			st, ok := in.Stop(c)
			if !ok {
				continue
			}
			root := in.Lineage(st.Ctx)
			if in.outside(fn, root) {
				return st, own, true
			}
		}
	}
	return StopCall{}, nil, false
}

// ownContext is the context that a handler is given.
func ownContext(fn *ssa.Function) *ssa.Parameter {
	if list := params(fn); len(list) > 0 && IsContext(list[0].Type()) {
		return list[0]
	}
	return nil
}

// outside reports whether a context comes from a variable or a parameter of a
// function around fn. Another check covers contexts that never end.
func (in *Info) outside(fn *ssa.Function, l Lineage) bool {
	if l.Endless && !l.Cancels && !l.Bounded {
		return false
	}
	if call, _ := callOf(l.Root); call != nil && l.Endless && !encloses(call.Parent(), fn) {
		return false // made within the handler
	}
	k := l.Keys[len(l.Keys)-1]
	if l.Endless && len(l.Keys) > 1 {
		k = l.Keys[len(l.Keys)-2]
	}
	switch x := k.root.(type) {
	case *ssa.Parameter:
		return encloses(x.Parent(), fn) && (k.path == "" || k.path == ".Context()")
	case *ssa.Alloc:
		return encloses(x.Parent(), fn) && (k.path == "*" || k.path == "")
	case *ssa.Extract:
		return encloses(x.Parent(), fn)
	case *ssa.Call:
		return encloses(x.Parent(), fn)
	}
	return false
}

func (in *Info) sumHandlers(fn *ssa.Function, s *Summary) {
	in.sumIgnores(fn, s)
	in.sumReturnsOuter(fn, s)
}

// sumIgnores finds methods that have a context parameter, but give a stop a context
// from their receiver.
func (in *Info) sumIgnores(fn *ssa.Function, s *Summary) {
	own := ownContext(fn)
	if own == nil || fn.Signature.Recv() == nil || len(fn.Params) == 0 {
		return
	}
	for f := range Tree(fn) {
		for _, c := range in.Calls(f) {
			st, ok := in.Stop(c)
			if !ok {
				continue
			}
			l := in.Lineage(st.Ctx)
			last := l.Keys[len(l.Keys)-1]
			if !l.Endless && last.root == ssa.Value(fn.Params[0]) && last.path != "" {
				s.Ignores = st.What
			}
		}
	}
}

// sumReturnsOuter finds functions that return a handler which uses their context.
func (in *Info) sumReturnsOuter(fn *ssa.Function, s *Summary) {
	for instr := range Instrs(fn) {
		ret, ok := instr.(*ssa.Return)
		if !ok || len(ret.Results) == 0 {
			continue
		}
		lit := in.Function(ret.Results[0])
		if lit == nil || lit.Parent() != fn {
			continue
		}
		if st, _, ok := in.OuterUse(lit); ok {
			l := in.Lineage(st.Ctx)
			for i, p := range params(fn) {
				if has(l.Keys, in.Key(p)) {
					s.ReturnsOuter.add(i)
					s.StopName = st.What
				}
			}
		}
	}
}

// sumProgram records registrations on the program's Coordinator, and calls that run
// it.
func (in *Info) sumProgram(c Call) {
	switch c.Name {
	case lastcall + "shutdown.Register", lastcall + "shutdown.Start":
		if in.own.Registers == "" && !in.isTest(c.Instr.Pos()) && unused(c) {
			in.own.Registers, in.Registration = c.Short(), &c
		}
	case lastcall + "shutdown.Main", lastcall + "shutdown.Exit", lastcall + "shutdown.Shutdown",
		lastcall + "shutdown.Coordinator.Main", lastcall + "shutdown.Coordinator.Exit",
		lastcall + "shutdown.Coordinator.Run", lastcall + "shutdown.Coordinator.Shutdown":
		in.own.Runs = true
	}
}

func (in *Info) isTest(pos token.Pos) bool {
	name := in.Pass.Fset.Position(pos).Filename
	return len(name) > 8 && name[len(name)-8:] == "_test.go"
}

// unused reports whether the result of a call is not used. A Registration that is
// used may run its handler with Close.
func unused(c Call) bool {
	v := c.Instr.Value()
	return v == nil || len(*v.Referrers()) == 0
}
