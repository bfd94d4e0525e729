package flow

import (
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// groups lists the types whose tasks run only when one of the methods is called.
var groups = map[string]struct{ add, run []string }{
	"github.com/oklog/run.Group":           {[]string{"Add"}, []string{"Run"}},
	lastcall + "group.Group":               {[]string{"Go", "Add", "AddActor"}, []string{"Run"}},
	lastcall + "shutdown.Coordinator":      {[]string{"Register", "Start"}, []string{"Run", "Main", "Exit", "Shutdown"}},
	"github.com/thejerf/suture.Supervisor": {[]string{"Add"}, []string{"Serve", "ServeBackground"}},
}

// A GroupUse describes how a function uses a group.
type GroupUse struct {
	Added   *Call // the first call that adds a task
	Ran     bool
	Escapes bool // handed to someone who may run it
	Result  bool // returned
}

// Groups lists the groups that are local variables of fn, or that it got
// loaded from a constructor, with what fn and its literals do with them.
func (in *Info) Groups(fn *ssa.Function) map[ssa.Value]*GroupUse {
	uses := map[ssa.Value]*GroupUse{}
	for instr := range Instrs(fn) {
		switch x := instr.(type) {
		case *ssa.Alloc:
			if _, ok := groups[typeName(x.Type())]; ok && !isPointerVar(x) {
				uses[x] = in.groupUse(fn, x)
			}
		case *ssa.Call:
			c := in.call(x)
			if s := in.Summary(c); s != nil && s.Loaded != "" {
				use := in.groupUse(fn, x)
				use.Added = &c
				uses[x] = use
			} else if _, ok := groups[typeName(x.Type())]; ok && c.Name == "github.com/thejerf/suture.NewSimple" {
				uses[x] = in.groupUse(fn, x)
			}
		}
	}
	return uses
}

// isPointerVar reports whether a variable holds a pointer to a group, and not a group.
func isPointerVar(x *ssa.Alloc) bool {
	p, ok := x.Type().Underlying().(*types.Pointer)
	if !ok {
		return false
	}
	_, ok = p.Elem().Underlying().(*types.Pointer)
	return ok
}

func (in *Info) groupUse(fn *ssa.Function, group ssa.Value) *GroupUse {
	use := new(GroupUse)
	for f := range Tree(fn) {
		for instr := range Instrs(f) {
			in.useIn(instr, group, use)
		}
	}
	return use
}

func (in *Info) useIn(instr ssa.Instruction, group ssa.Value, use *GroupUse) {
	is := func(v ssa.Value) bool { return v != nil && in.Resolve(in.cell(v)) == group }
	switch x := instr.(type) {
	case *ssa.Return:
		for _, r := range x.Results {
			if is(r) {
				use.Result = true
			}
		}
	case ssa.CallInstruction:
		c := in.call(x)
		of, method, _ := cutLast(c.Name)
		if g, ok := groups[of]; ok && c.Recv != nil && is(c.Recv) {
			switch {
			case contains(g.run, method):
				use.Ran = true
			case contains(g.add, method):
				if use.Added == nil {
					use.Added = &c
				}
			}
			for _, a := range c.Args {
				if is(a) {
					use.Escapes = true
				}
			}
			return
		}
		for i, a := range x.Common().Args {
			if is(a) && !in.runsArg(c, i) {
				use.Escapes = true
			} else if is(a) {
				use.Ran = true
			}
		}
	case *ssa.MakeClosure:
		if f, ok := x.Fn.(*ssa.Function); ok && f.Parent() == nil { // g.Run as a value
			for _, b := range x.Bindings {
				if is(b) {
					use.Escapes = true
				}
			}
		}
	case *ssa.Store:
		if is(x.Val) && !is(x.Addr) {
			if a, ok := in.cell(x.Addr).(*ssa.Alloc); !ok || in.escaped[a] || in.Resolve(x.Val) != group || !isPointerVar(a) {
				use.Escapes = true
			}
		}
	case *ssa.MakeInterface:
		if is(x.X) {
			use.Escapes = true
		}
	case *ssa.Send:
		if is(x.X) {
			use.Escapes = true
		}
	case *ssa.MapUpdate:
		if is(x.Value) {
			use.Escapes = true
		}
	case *ssa.Phi:
		for _, e := range x.Edges {
			if is(e) {
				use.Escapes = true
			}
		}
	}
}

// runsArg reports whether the function called runs the group that it is given.
func (in *Info) runsArg(c Call, i int) bool {
	s := in.Summary(c)
	return s != nil && s.Runs.Has(i)
}

func (in *Info) sumGroups(fn *ssa.Function, s *Summary) {
	for group, use := range in.Groups(fn) {
		if use.Result && use.Added != nil && !use.Ran && !use.Escapes {
			s.Loaded = typeName(group.Type())
		}
	}
	for f := range Tree(fn) {
		for _, c := range in.Calls(f) {
			of, method, ok := cutLast(c.Name)
			if !ok {
				continue
			}
			if g, ok := groups[of]; ok && contains(g.run, method) {
				for i, p := range fn.Params {
					if c.Recv != nil && in.Resolve(c.Recv) == ssa.Value(p) {
						s.Runs.add(i)
					}
				}
			}
			in.sumProgram(c)
		}
	}
}
