package flow

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// A Call is a call and its target, as far as it is known.
type Call struct {
	Instr ssa.CallInstruction
	Obj   *types.Func   // the function or method, also of an interface; nil for a literal or an unknown function value
	Fn    *ssa.Function // its body, if that is in this package
	Name  string        // of Obj: "net/http.Server.Shutdown"; "" if unknown
	Recv  ssa.Value
	Args  []ssa.Value // without the receiver
}

// Go and Defer report how the call is made.
func (c Call) Go() bool    { _, ok := c.Instr.(*ssa.Go); return ok }
func (c Call) Defer() bool { _, ok := c.Instr.(*ssa.Defer); return ok }

// Iface reports whether the call is through an interface.
func (c Call) Iface() bool { return c.Instr.Common().IsInvoke() }

// Arg returns argument i, nil if there is none.
func (c Call) Arg(i int) ssa.Value {
	if i < 0 || i >= len(c.Args) {
		return nil
	}
	return c.Args[i]
}

func (in *Info) call(instr ssa.CallInstruction) Call {
	c, ok := in.called[instr]
	if !ok {
		c = in.look(instr)
		in.called[instr] = c
	}
	return c
}

func (in *Info) look(instr ssa.CallInstruction) Call {
	common := instr.Common()
	c := Call{Instr: instr, Args: common.Args}
	if common.IsInvoke() {
		c.Obj, c.Recv = common.Method, common.Value
		c.Name = FullName(c.Obj)
		return c
	}
	switch v := in.Resolve(common.Value).(type) {
	case *ssa.Function:
		c.Fn = in.declared(v)
		c.Obj, _ = objectOf(v).(*types.Func)
		if c.Obj != nil && c.Obj.Signature().Recv() != nil && len(c.Args) > 0 {
			c.Recv, c.Args = c.Args[0], c.Args[1:]
		}
	case *ssa.MakeClosure:
		fn, _ := v.Fn.(*ssa.Function)
		if fn == nil {
			break
		}
		c.Fn = in.declared(fn)
		if fn.Parent() == nil && len(v.Bindings) > 0 { // a bound method
			c.Obj, _ = objectOf(fn).(*types.Func)
			c.Recv = v.Bindings[0]
		}
	}
	if c.Obj != nil {
		c.Obj = c.Obj.Origin()
		c.Name = FullName(c.Obj)
	}
	return c
}

func objectOf(fn *ssa.Function) types.Object {
	if o := fn.Origin(); o != nil {
		fn = o
	}
	return fn.Object()
}

// Target is the function behind a function value, as if the value were called.
type Target struct {
	Obj  *types.Func
	Fn   *ssa.Function
	Name string
	Recv ssa.Value
	Made *Call // the call that returned it, if that is where it comes from
}

// Target finds the function behind a value.
func (in *Info) Target(v ssa.Value) Target {
	var t Target
	switch x := in.Resolve(v).(type) {
	case *ssa.Function:
		t.Fn = in.declared(x)
		t.Obj, _ = objectOf(x).(*types.Func)
	case *ssa.MakeClosure:
		fn, _ := x.Fn.(*ssa.Function)
		if fn == nil {
			break
		}
		t.Fn = in.declared(fn)
		if fn.Parent() == nil && len(x.Bindings) > 0 {
			t.Obj, _ = objectOf(fn).(*types.Func)
			t.Recv = x.Bindings[0]
		}
	case *ssa.Call:
		c := in.call(x)
		t.Made = &c
	case *ssa.Extract:
		if call, ok := x.Tuple.(*ssa.Call); ok {
			c := in.call(call)
			t.Made = &c
		}
	}
	if t.Obj != nil {
		t.Obj = t.Obj.Origin()
		t.Name = FullName(t.Obj)
	}
	return t
}

// FullName returns the path and name of a function, with the type of a method and
// without the major version of the path: "net/http.Server.Shutdown".
func FullName(fn *types.Func) string {
	if fn == nil {
		return ""
	}
	if recv := fn.Signature().Recv(); recv != nil {
		name := typeName(recv.Type())
		if name == "" {
			return ""
		}
		return name + "." + fn.Name()
	}
	if fn.Pkg() == nil {
		return fn.Name()
	}
	return unversioned(fn.Pkg().Path()) + "." + fn.Name()
}

// Short returns the name of a call in a finding: "http.Server.Shutdown", "log.Fatal".
func (c Call) Short() string {
	if c.Obj == nil {
		return "the function"
	}
	return ShortName(c.Obj)
}

// ShortName is FullName with the last element of the path only.
func ShortName(fn *types.Func) string {
	name := FullName(fn)
	if name == "" {
		return fn.Name()
	}
	if i := strings.LastIndex(name, "/"); i >= 0 {
		name = name[i+1:]
	}
	if fn.Pkg() != nil && fn.Signature().Recv() == nil {
		return fn.Pkg().Name() + "." + fn.Name()
	}
	return name
}
