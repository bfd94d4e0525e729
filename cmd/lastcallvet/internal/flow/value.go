package flow

import (
	"go/constant"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// maxDepth bounds every walk over values; code has loops, and types too.
const maxDepth = 40

// cell returns the variable at an address. A captured variable is the same inside and
// outside of the closure.
func (in *Info) cell(addr ssa.Value) ssa.Value {
	for range maxDepth {
		fv, ok := addr.(*ssa.FreeVar)
		if !ok {
			return addr
		}
		bound := in.bound(fv)
		if bound == nil {
			return addr
		}
		addr = bound
	}
	return addr
}

// bound returns the value that a closure captured for fv, nil if it is not known.
func (in *Info) bound(fv *ssa.FreeVar) ssa.Value {
	mc, ok := in.sites[fv.Parent()].(*ssa.MakeClosure)
	if !ok {
		return nil
	}
	for i, f := range fv.Parent().FreeVars {
		if f == fv && i < len(mc.Bindings) {
			return mc.Bindings[i]
		}
	}
	return nil
}

// Resolve follows a value to its origin: through conversions, and through variables
// that only one assignment can have set. A value in a loop that leads back to itself
// is its own origin.
func (in *Info) Resolve(v ssa.Value) ssa.Value {
	if v == nil {
		return nil
	}
	if r, ok := in.resolved[v]; ok {
		return r
	}
	in.resolved[v] = v
	r := in.resolve(v)
	in.resolved[v] = r
	return r
}

func (in *Info) resolve(v ssa.Value) ssa.Value {
	switch x := v.(type) {
	case *ssa.ChangeType:
		return in.Resolve(x.X)
	case *ssa.ChangeInterface:
		return in.Resolve(x.X)
	case *ssa.MakeInterface:
		return in.Resolve(x.X)
	case *ssa.FreeVar:
		if _, isVar := x.Type().(*types.Pointer); isVar {
			return x
		}
		if b := in.bound(x); b != nil {
			return in.Resolve(b)
		}
	case *ssa.Phi:
		return in.resolvePhi(x)
	case *ssa.UnOp:
		if x.Op != token.MUL {
			return v
		}
		if set := in.loaded(x); set != nil {
			return in.Resolve(set)
		}
	}
	return v
}

// resolvePhi resolves a phi whose edges are all the same value.
func (in *Info) resolvePhi(phi *ssa.Phi) ssa.Value {
	var one ssa.Value
	for _, e := range phi.Edges {
		e = in.Resolve(e)
		if e == phi {
			continue
		}
		if one != nil && e != one {
			return phi
		}
		one = e
	}
	if one == nil {
		return phi
	}
	return one
}

// loaded returns the value that a load must have read, nil if that is not certain.
func (in *Info) loaded(load *ssa.UnOp) ssa.Value {
	cell := in.cell(load.X)
	switch cell := cell.(type) {
	case *ssa.Alloc:
		if in.escaped[cell] {
			return nil
		}
		stores := in.stores[cell]
		if len(stores) == 1 {
			return stores[0].Val
		}
		return in.reaching(load, cell, stores)
	case *ssa.Global:
		if in.escaped[cell] || cell.Pkg == nil || cell.Pkg.Pkg != in.Pass.Pkg || cell.Object() == nil || cell.Object().Exported() {
			return nil
		}
		if stores := in.stores[cell]; len(stores) == 1 && stores[0].Parent().Synthetic != "" {
			return stores[0].Val
		}
	case *ssa.FieldAddr:
		return in.loadedField(load, cell)
	}
	return nil
}

// loadedField finds the value of a struct's field, if the struct was made in the same
// function and the field was set once.
func (in *Info) loadedField(load *ssa.UnOp, field *ssa.FieldAddr) ssa.Value {
	base := in.Resolve(field.X)
	if _, ok := base.(*ssa.Alloc); !ok || fieldOf(field) == nil {
		return nil
	}
	out := Outermost(load.Parent())
	var one ssa.Value
	for _, st := range in.fieldStores[fieldOf(field)] {
		if Outermost(st.Parent()) != out || in.Resolve(st.Addr.(*ssa.FieldAddr).X) != base {
			continue
		}
		if one != nil {
			return nil
		}
		one = st.Val
	}
	return one
}

// reaching walks back from at to the last assignment on every path to it. A closure
// sees the assignments before it was made.
func (in *Info) reaching(at ssa.Instruction, cell ssa.Value, stores []*ssa.Store) ssa.Value {
	here := map[ssa.Instruction]*ssa.Store{}
	for _, st := range stores {
		if st.Parent() == at.Parent() {
			here[st] = st
		} else if !encloses(st.Parent(), at.Parent()) {
			return nil // another closure sets it at an unknown time
		}
	}
	fn := at.Parent()
	if len(here) == 0 {
		mc, ok := in.sites[fn].(*ssa.MakeClosure)
		if !ok {
			return nil
		}
		for _, st := range stores { // set again after the closure was made
			if st.Parent() == mc.Parent() && Reaches(mc, st) && !dominates(st, mc) {
				return nil
			}
		}
		return in.reaching(mc, cell, stores)
	}
	seen := map[*ssa.BasicBlock]bool{}
	var found *ssa.Store
	var back func(b *ssa.BasicBlock, from int) bool
	back = func(b *ssa.BasicBlock, from int) bool {
		for i := from; i >= 0; i-- {
			if st := here[b.Instrs[i]]; st != nil {
				if found != nil && found != st {
					return false
				}
				found = st
				return true
			}
		}
		if seen[b] {
			return true
		}
		seen[b] = true
		if len(b.Preds) == 0 {
			return false
		}
		for _, p := range b.Preds {
			if !back(p, len(p.Instrs)-1) {
				return false
			}
		}
		return true
	}
	if !back(at.Block(), position(at)-1) || found == nil {
		return nil
	}
	return found.Val
}

// Uses counts the uses of a value, also through a variable that holds it.
func (in *Info) Uses(v ssa.Value) int {
	n := 0
	for _, r := range *v.Referrers() {
		st, ok := r.(*ssa.Store)
		if !ok || st.Val != v {
			n++
			continue
		}
		cell := in.cell(st.Addr)
		for fn := range Tree(Outermost(st.Parent())) {
			for instr := range Instrs(fn) {
				if load, ok := instr.(*ssa.UnOp); ok && load.Op == token.MUL && in.cell(load.X) == cell {
					n++
				}
			}
		}
	}
	return n
}

// Function returns the function of this package behind a value, if it has a body. It
// is nil if there is none or if it is not certain. For a bound method it is the
// method.
func (in *Info) Function(v ssa.Value) *ssa.Function {
	switch x := in.Resolve(v).(type) {
	case *ssa.Function:
		return in.declared(x)
	case *ssa.MakeClosure:
		fn, _ := x.Fn.(*ssa.Function)
		return in.declared(fn)
	}
	return nil
}

// declared returns the declared function of an instance or wrapper.
func (in *Info) declared(fn *ssa.Function) *ssa.Function {
	if fn == nil {
		return nil
	}
	if o := fn.Origin(); o != nil {
		fn = o
	}
	if fn.Synthetic != "" && fn.Name() != "init" {
		obj, _ := fn.Object().(*types.Func)
		if obj == nil {
			return nil
		}
		fn = fn.Prog.FuncValue(obj.Origin())
	}
	if fn == nil || len(fn.Blocks) == 0 {
		return nil
	}
	return fn
}

// Variadic lists the values of a variadic parameter, nil and false if they are not
// known. Without values the list is empty.
func (in *Info) Variadic(v ssa.Value) ([]ssa.Value, bool) {
	v = in.Resolve(v)
	if c, ok := v.(*ssa.Const); ok && c.IsNil() {
		return nil, true
	}
	slice, ok := v.(*ssa.Slice)
	if !ok || slice.Low != nil || slice.High != nil {
		return nil, false
	}
	arr, ok := slice.X.(*ssa.Alloc)
	if !ok {
		return nil, false
	}
	at, ok := arr.Type().Underlying().(*types.Pointer).Elem().Underlying().(*types.Array)
	if !ok {
		return nil, false
	}
	list := make([]ssa.Value, at.Len())
	for _, ref := range *arr.Referrers() {
		ia, ok := ref.(*ssa.IndexAddr)
		if !ok {
			continue
		}
		c, ok := ia.Index.(*ssa.Const)
		if !ok || c.Value == nil {
			return nil, false
		}
		i, _ := constant.Int64Val(c.Value)
		for _, r := range *ia.Referrers() {
			if st, ok := r.(*ssa.Store); ok && i >= 0 && i < at.Len() {
				list[i] = st.Val
			}
		}
	}
	for _, e := range list {
		if e == nil {
			return nil, false
		}
	}
	return list, true
}
