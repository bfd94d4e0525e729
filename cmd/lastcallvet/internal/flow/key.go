package flow

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

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
