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

// encloses reports whether inner is a literal somewhere within outer.
func encloses(outer, inner *ssa.Function) bool {
	for p := inner.Parent(); p != nil; p = p.Parent() {
		if p == outer {
			return true
		}
	}
	return false
}

func position(at ssa.Instruction) int {
	for i, instr := range at.Block().Instrs {
		if instr == at {
			return i
		}
	}
	return -1
}

// dominates reports whether every path to b passes a. Both are of one function.
func dominates(a, b ssa.Instruction) bool {
	if a.Block() == b.Block() {
		return position(a) < position(b)
	}
	return a.Block().Dominates(b.Block())
}

// Dominates is dominates for the checks.
func Dominates(a, b ssa.Instruction) bool { return a.Parent() == b.Parent() && dominates(a, b) }

// Reaches reports whether there is a path from a to b.
func Reaches(a, b ssa.Instruction) bool {
	found := false
	Walk(a, func(instr ssa.Instruction) bool {
		found = found || instr == b
		return found
	})
	return found
}

// Walk visits the instructions that may run after from. A path ends where visit says
// so.
func Walk(from ssa.Instruction, visit func(ssa.Instruction) (cut bool)) {
	walkBlocks(from.Block(), position(from)+1, visit)
}

// WalkBlock visits the instructions from the beginning of a block on.
func WalkBlock(b *ssa.BasicBlock, visit func(ssa.Instruction) (cut bool)) { walkBlocks(b, 0, visit) }

func walkBlocks(b *ssa.BasicBlock, start int, visit func(ssa.Instruction) bool) {
	seen := map[*ssa.BasicBlock]bool{}
	var walk func(b *ssa.BasicBlock, start int)
	walk = func(b *ssa.BasicBlock, start int) {
		for _, instr := range b.Instrs[start:] {
			if visit(instr) {
				return
			}
		}
		for _, s := range b.Succs {
			if !seen[s] {
				seen[s] = true
				walk(s, 0)
			}
		}
	}
	walk(b, start)
}

// Key identifies a value, so that two reads of the same variable or field have equal
// keys, and also two calls like cmd.Context() on the same variable.
type Key struct {
	root ssa.Value
	path string
}

// Key returns the key of v.
func (in *Info) Key(v ssa.Value) Key { return in.key(v, 0) }

func (in *Info) key(v ssa.Value, depth int) Key {
	v = in.Resolve(v)
	if depth > maxDepth {
		return Key{root: v}
	}
	switch x := v.(type) {
	case *ssa.UnOp:
		if x.Op == token.MUL {
			return in.loadKey(x, depth)
		}
	case *ssa.FieldAddr:
		k := in.key(x.X, depth+1)
		return Key{k.root, k.path + "." + fieldName(x)}
	case *ssa.Field:
		k := in.key(x.X, depth+1)
		st, _ := x.X.Type().Underlying().(*types.Struct)
		if st == nil {
			return Key{root: v}
		}
		return Key{k.root, k.path + "." + st.Field(x.Field).Name()}
	case *ssa.FreeVar:
		if c := in.cell(x); c != x {
			return in.key(c, depth+1)
		}
	case *ssa.Call:
		if c := in.call(x); c.Recv != nil && len(c.Args) == 0 && c.Obj != nil && c.Obj.Name() == "Context" && IsContext(x.Type()) {
			k := in.key(c.Recv, depth+1)
			return Key{k.root, k.path + ".Context()"}
		}
	}
	return Key{root: v}
}

// loadKey makes a key of the variable that a load reads. If the function sets the
// variable, it does not, because two loads may differ.
func (in *Info) loadKey(load *ssa.UnOp, depth int) Key {
	cell := in.cell(load.X)
	switch x := cell.(type) {
	case *ssa.FieldAddr:
		if in.setsField(load.Parent(), x) {
			return Key{root: load}
		}
		k := in.key(x.X, depth+1)
		return Key{k.root, k.path + "." + fieldName(x)}
	case *ssa.Alloc, *ssa.FreeVar, *ssa.Global:
		for _, st := range in.stores[cell] {
			if st.Parent() == load.Parent() {
				return Key{root: load}
			}
		}
		return Key{root: cell, path: "*"}
	}
	return Key{root: load}
}

func (in *Info) setsField(fn *ssa.Function, field *ssa.FieldAddr) bool {
	for _, st := range in.fieldStores[fieldOf(field)] {
		if st.Parent() == fn {
			return true
		}
	}
	return false
}

func fieldName(fa *ssa.FieldAddr) string {
	if f := fieldOf(fa); f != nil {
		return f.Name()
	}
	return "?"
}

func fieldOf(fa *ssa.FieldAddr) *types.Var {
	p, ok := fa.X.Type().Underlying().(*types.Pointer)
	if !ok {
		return nil
	}
	st, ok := p.Elem().Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	return st.Field(fa.Field)
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
