package flow

import (
	"fmt"
	"go/types"
	"reflect"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// A Summary is the fact about a function for its callers, in this package and in
// those that import it. Parameters are counted without the receiver, except in Refs,
// where the receiver is parameter 0.
type Summary struct {
	Exits        string // ends the process and never returns: how, "log.Fatal"
	ExitsOnError string // the same, if the error that it is given is not nil
	Effect       string // has an effect that outlives the process: "os.RemoveAll"
	Depth        int    // how many calls away the effect is
	Cleaner      string // returns a function that has such an effect
	StopCtx      Bits   // contexts that bound a stop
	StopName     string // and which: "http.Server.Shutdown"
	OpenCtx      Bits   // contexts that alone bound a known stop
	OpenName     string
	Waits        Bits   // contexts that are done when it returns
	Background   string // result 0 is a context that never ends: what it is
	Derives      int    // 1 + the parameter that result 0, a context, ends with
	Serves       string // serves: how
	ServeRefs    []Ref  // servers that it serves, and returns when they do
	ShutRefs     []Ref  // servers that it shuts down
	ServeEnds    string // returns when Serve does, while Shutdown runs in a goroutine
	Blocks       bool   // may wait for another goroutine
	NoTerm       string // catches an interrupt and not SIGTERM: how
	Package      string // serves with a function of package http, a handler or address that it is given
	Ignores      string // a handler that does not use its own context, but one of its receiver, for a stop
	ReturnsOuter Bits   // returns a handler that uses this parameter in place of its own context
	Loaded       string // returns a group that has tasks, or an app, and was not run
	Runs         Bits   // groups that it runs
	Graceful     string // stops a gRPC server with nothing that ends it
}

func (*Summary) AFact() {}

func (s *Summary) String() string {
	v := reflect.ValueOf(*s)
	var parts []string
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			parts = append(parts, fmt.Sprintf("%s:%v", v.Type().Field(i).Name, v.Field(i).Interface()))
		}
	}
	return strings.Join(parts, " ")
}

// Package is the fact about a package and all that it imports.
type Package struct {
	Registers string // where handlers are registered on the program's Coordinator
	Runs      bool   // someone calls its Main, Run or Exit
	Term      bool   // someone catches SIGTERM
}

func (*Package) AFact() {}

func (p *Package) String() string { return fmt.Sprintf("%+v", *p) }

// A Ref is a part of a parameter, with the receiver as parameter 0.
type Ref struct {
	Param int
	Path  string
}

// Bits is a set of small numbers.
type Bits uint64

// Has reports whether i is in the set.
func (b Bits) Has(i int) bool { return i >= 0 && i < 64 && b&(1<<i) != 0 }

func (b *Bits) add(i int) {
	if i >= 0 && i < 64 {
		*b |= 1 << i
	}
}

// Summary returns the fact about the function that c calls, nil if there is none.
func (in *Info) Summary(c Call) *Summary {
	if c.Fn != nil {
		return in.summaries[c.Fn]
	}
	if c.Iface() {
		return nil
	}
	return in.imported(c.Obj)
}

// SummaryOf is Summary for a function value.
func (in *Info) SummaryOf(t Target) *Summary {
	if t.Fn != nil {
		return in.summaries[t.Fn]
	}
	return in.imported(t.Obj)
}

// Of returns the summary of a function of this package.
func (in *Info) Of(fn *ssa.Function) *Summary {
	if s := in.summaries[fn]; s != nil {
		return s
	}
	return new(Summary)
}

func (in *Info) imported(obj *types.Func) *Summary {
	if obj == nil || obj.Pkg() == nil || obj.Pkg() == in.Pass.Pkg {
		return nil
	}
	s := new(Summary)
	if !in.Pass.ImportObjectFact(obj, s) {
		return nil
	}
	return s
}

// rounds limits the search for a fixed point over the functions of a package. Each
// round carries facts one call further.
const rounds = 6

func (in *Info) summarize() {
	for range rounds {
		changed := false
		for _, fn := range in.Funcs {
			s := in.compute(fn)
			if old := in.summaries[fn]; old == nil || !reflect.DeepEqual(old, s) {
				in.summaries[fn], changed = s, true
			}
		}
		clear(in.events)
		if !changed {
			return
		}
	}
}

func (in *Info) compute(fn *ssa.Function) *Summary {
	s := new(Summary)
	in.sumExits(fn, s)
	in.sumEffects(fn, s)
	in.sumContexts(fn, s)
	in.sumServers(fn, s)
	in.sumSignals(fn, s)
	in.sumHandlers(fn, s)
	in.sumGroups(fn, s)
	return s
}

// export makes facts for other packages.
func (in *Info) export() {
	for _, fn := range in.Funcs {
		obj, ok := fn.Object().(*types.Func)
		if !ok || fn.Parent() != nil || obj.Pkg() != in.Pass.Pkg {
			continue
		}
		// An empty fact means that the function was analyzed.
		in.Pass.ExportObjectFact(obj, in.summaries[fn])
	}
	in.program = in.own
	for _, dep := range in.Pass.Pkg.Imports() {
		var p Package
		if in.Pass.ImportPackageFact(dep, &p) {
			if in.program.Registers == "" {
				in.program.Registers = p.Registers
			}
			in.program.Runs = in.program.Runs || p.Runs
			in.program.Term = in.program.Term || p.Term
		}
	}
	if in.program != (Package{}) {
		p := in.program
		in.Pass.ExportPackageFact(&p)
	}
}

// Program returns the fact about this package and all its imports.
func (in *Info) Program() Package { return in.program }

// Self returns the fact about this package alone.
func (in *Info) Self() Package { return in.own }

// params lists the parameters of fn without the receiver.
func params(fn *ssa.Function) []*ssa.Parameter {
	if fn.Signature.Recv() != nil && len(fn.Params) > 0 {
		return fn.Params[1:]
	}
	return fn.Params
}
