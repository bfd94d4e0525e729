// Package flow answers the questions that the checks share: which function a
// call reaches, what a value stands for, which contexts are done at a point,
// and what a function of this or another package does ([Summary]).
//
// It is an analyzer, so that each package is analyzed once for all checks. An
// uncertain answer is "not known", so that the checks report only what certainly
// holds.
package flow

import (
	"go/ast"
	"go/types"
	"reflect"
	"strings"
	"sync"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ssa"
)

// Analyzer computes the Info of a package, and the facts about its functions.
var Analyzer = &analysis.Analyzer{
	Name:       "lastcallflow",
	Doc:        "what functions do about contexts, servers, signals and exits",
	ResultType: reflect.TypeFor[*Info](),
	FactTypes:  []analysis.Fact{new(Summary), new(Package)},
	Run:        run,
}

// Info has the data about one package. Its methods are for the checks.
//
// It caches results, so its user must hold its lock.
type Info struct {
	sync.Mutex

	Pass  *analysis.Pass
	Funcs []*ssa.Function // functions, methods and literals with a body in this package

	// Registration is the first call of this package that registers a handler
	// on the program's Coordinator, nil if there is none.
	Registration *Call

	calls       map[*ssa.Function][]Call
	stores      map[ssa.Value][]*ssa.Store
	fieldStores map[*types.Var][]*ssa.Store
	resolved    map[ssa.Value]ssa.Value
	called      map[ssa.CallInstruction]Call
	escaped     map[ssa.Value]bool
	sites       map[*ssa.Function]ssa.Instruction // where a literal is made
	summaries   map[*ssa.Function]*Summary
	events      map[*ssa.Function][]Event
	handlers    map[*ssa.Function]string
	own         Package
	program     Package
}

func run(pass *analysis.Pass) (any, error) {
	in := &Info{
		Pass:        pass,
		calls:       map[*ssa.Function][]Call{},
		stores:      map[ssa.Value][]*ssa.Store{},
		fieldStores: map[*types.Var][]*ssa.Store{},
		resolved:    map[ssa.Value]ssa.Value{},
		called:      map[ssa.CallInstruction]Call{},
		escaped:     map[ssa.Value]bool{},
		sites:       map[*ssa.Function]ssa.Instruction{},
		summaries:   map[*ssa.Function]*Summary{},
		events:      map[*ssa.Function][]Event{},
		handlers:    map[*ssa.Function]string{},
	}
	if outside(pass) {
		return in, nil
	}
	in.collect(build(pass))
	in.index()
	in.summarize()
	in.export()
	return in, nil
}

// outside reports whether the package belongs to the standard library or to a
// dependency. Such packages have no facts. Tables describe their functions, because
// the dependencies have ten times as much code as the module.
func outside(pass *analysis.Pass) bool {
	if pass.Module != nil && pass.Module.Path != "" {
		return pass.Module.Version != ""
	}
	first, _, _ := strings.Cut(pass.Pkg.Path(), "/")
	return !strings.Contains(first, ".") && first != "command-line-arguments" && pass.Pkg.Name() != "main"
}

// build makes the SSA form of the package. The analyzer buildssa would also make that
// of every dependency, to find functions that never return. Here a table lists them.
func build(pass *analysis.Pass) *ssa.Package {
	prog := ssa.NewProgram(pass.Fset, ssa.BuilderMode(0))
	prog.SetNoReturn(neverReturns)
	for _, p := range pass.Pkg.Imports() {
		prog.CreatePackage(p, nil, nil, true)
	}
	pkg := prog.CreatePackage(pass.Pkg, pass.Files, pass.TypesInfo, false)
	pkg.Build()
	return pkg
}

// collect lists the functions with a body, those of package-level variables
// too, which is where cobra commands have theirs.
func (in *Info) collect(pkg *ssa.Package) {
	var add func(*ssa.Function)
	add = func(fn *ssa.Function) {
		in.Funcs = append(in.Funcs, fn)
		for _, anon := range fn.AnonFuncs {
			add(anon)
		}
	}
	for _, file := range in.Pass.Files {
		for _, decl := range file.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			obj, _ := in.Pass.TypesInfo.Defs[d.Name].(*types.Func)
			if fn := pkg.Prog.FuncValue(obj); fn != nil && len(fn.Blocks) > 0 {
				add(fn)
			}
		}
	}
	if init := pkg.Func("init"); init != nil {
		add(init)
	}
}

// index records the assignments to variables, the places where closures are made,
// and the calls of each function.
func (in *Info) index() {
	for _, fn := range in.Funcs {
		for instr := range Instrs(fn) {
			// A literal that captures nothing is not made: it is just there.
			for _, op := range instr.Operands(nil) {
				if op == nil || *op == nil {
					continue
				}
				if lit, ok := (*op).(*ssa.Function); ok && lit.Parent() == fn && in.sites[lit] == nil {
					in.sites[lit] = instr
				}
			}
		}
	}
	for _, fn := range in.Funcs {
		for instr := range Instrs(fn) {
			if st, ok := instr.(*ssa.Store); ok {
				cell := in.cell(st.Addr)
				in.stores[cell] = append(in.stores[cell], st)
				if fa, ok := st.Addr.(*ssa.FieldAddr); ok {
					f := fieldOf(fa)
					in.fieldStores[f] = append(in.fieldStores[f], st)
				}
			}
			for _, op := range instr.Operands(nil) {
				if op != nil && *op != nil {
					in.noteEscape(instr, *op)
				}
			}
		}
	}
	for _, fn := range in.Funcs {
		for instr := range Instrs(fn) {
			if call, ok := instr.(ssa.CallInstruction); ok {
				in.calls[fn] = append(in.calls[fn], in.call(call))
			}
		}
	}
	in.findHandlers()
}

// noteEscape records variables whose address is used for anything but a load, a
// store, a field or a closure. Unknown code may set them.
func (in *Info) noteEscape(instr ssa.Instruction, v ssa.Value) {
	switch v.(type) {
	case *ssa.Alloc, *ssa.FreeVar, *ssa.Global:
	default:
		return
	}
	switch instr := instr.(type) {
	case *ssa.UnOp, *ssa.FieldAddr, *ssa.IndexAddr, *ssa.MakeClosure, *ssa.DebugRef:
		return
	case *ssa.Store:
		if instr.Addr == v && instr.Val != v {
			return
		}
	}
	in.escaped[in.cell(v)] = true
}

// Calls lists the calls of fn in the order of its blocks, with go and defer.
func (in *Info) Calls(fn *ssa.Function) []Call { return in.calls[fn] }

// Instrs goes over the instructions of fn.
func Instrs(fn *ssa.Function) func(yield func(ssa.Instruction) bool) {
	return func(yield func(ssa.Instruction) bool) {
		for _, b := range fn.Blocks {
			for _, instr := range b.Instrs {
				if !yield(instr) {
					return
				}
			}
		}
	}
}

// Tree goes over fn and the literals within it.
func Tree(fn *ssa.Function) func(yield func(*ssa.Function) bool) {
	return func(yield func(*ssa.Function) bool) { walkTree(fn, yield) }
}

func walkTree(fn *ssa.Function, yield func(*ssa.Function) bool) bool {
	if !yield(fn) {
		return false
	}
	for _, anon := range fn.AnonFuncs {
		if !walkTree(anon, yield) {
			return false
		}
	}
	return true
}

// Outermost is the declared function that fn is part of; for a literal of a
// package-level variable it is the outermost literal, since the functions of
// different variables have nothing to do with one another.
func Outermost(fn *ssa.Function) *ssa.Function {
	for fn.Parent() != nil && fn.Parent().Synthetic == "" {
		fn = fn.Parent()
	}
	return fn
}

// IsMain reports whether fn is the function main of a program.
func IsMain(fn *ssa.Function) bool {
	return fn.Parent() == nil && fn.Name() == "main" && fn.Pkg != nil && fn.Pkg.Pkg.Name() == "main" &&
		fn.Signature.Recv() == nil
}

// IsContext reports whether t is context.Context.
func IsContext(t types.Type) bool { return typeName(t) == "context.Context" }

// typeName is the path and name of a named type or a pointer to one, without
// the major version: "net/http.Server".
func typeName(t types.Type) string {
	if t == nil {
		return ""
	}
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return ""
	}
	obj := named.Obj()
	if obj.Pkg() == nil {
		return obj.Name()
	}
	return unversioned(obj.Pkg().Path()) + "." + obj.Name()
}

// unversioned removes the major version, "/v2" or ".v2", from an import path. The
// functions in the tables behave the same in all major versions.
func unversioned(path string) string {
	if i := strings.LastIndex(path, "/vendor/"); i >= 0 {
		path = path[i+len("/vendor/"):]
	}
	parts := strings.Split(path, "/")
	kept := parts[:0]
	for i, part := range parts {
		if i > 0 && isVersion(part) {
			continue
		}
		if name, version, ok := strings.Cut(part, "."); ok && i > 0 && isVersion(version) {
			part = name
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "/")
}

func isVersion(s string) bool {
	if len(s) < 2 || s[0] != 'v' {
		return false
	}
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
