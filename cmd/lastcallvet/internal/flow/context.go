package flow

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// derives lists the functions whose context (result 0, or 1 where noted) ends
// with the one that they are given first.
var derives = map[string]struct{ result, parent int }{
	"context.WithCancel":                                      {0, 0},
	"context.WithCancelCause":                                 {0, 0},
	"context.WithTimeout":                                     {0, 0},
	"context.WithTimeoutCause":                                {0, 0},
	"context.WithDeadline":                                    {0, 0},
	"context.WithDeadlineCause":                               {0, 0},
	"context.WithValue":                                       {0, 0},
	"os/signal.NotifyContext":                                 {0, 0},
	"golang.org/x/sync/errgroup.WithContext":                  {1, 0},
	"github.com/lastcall-go/lastcall/signals.NotifyContext":   {0, 0},
	"go.opentelemetry.io/otel/trace.Tracer.Start":             {0, 0},
	"github.com/go-logr/logr.NewContext":                      {0, 0},
	"k8s.io/klog.NewContext":                                  {0, 0},
	"sigs.k8s.io/controller-runtime/pkg/log.IntoContext":      {0, 0},
	"github.com/rs/zerolog.Logger.WithContext":                {0, 0},
	"google.golang.org/grpc/metadata.NewOutgoingContext":      {0, 0},
	"google.golang.org/grpc/metadata.AppendToOutgoingContext": {0, 0},
	"github.com/lastcall-go/lastcall/group.WorkContext":       {-1, 0}, // outlives the request to stop
	"context.WithoutCancel":                                   {-1, 0},
}

// bounds lists those that give the context a deadline of its own.
var bounds = map[string]bool{
	"context.WithTimeout":       true,
	"context.WithTimeoutCause":  true,
	"context.WithDeadline":      true,
	"context.WithDeadlineCause": true,
}

// A Lineage describes the origin of a context.
type Lineage struct {
	Keys     []Key // the context and those that it ends with, nearest first
	Bounded  bool  // it was given a deadline on the way
	Cancels  bool  // someone can end it: a cancel function, a signal
	Root     ssa.Value
	Endless  bool   // it is Background, TODO or WithoutCancel of something, at its root
	RootName string // how the root is written, if Endless: "context.Background()"
	Signal   bool   // a signal ends it
}

// Lineage follows a context to its root.
func (in *Info) Lineage(ctx ssa.Value) Lineage {
	var l Lineage
	for range maxDepth {
		ctx = in.Resolve(ctx)
		l.Keys = append(l.Keys, in.Key(ctx))
		l.Root = ctx
		call, result := callOf(ctx)
		if call == nil {
			return l
		}
		c := in.call(call)
		switch c.Name {
		case "context.Background", "context.TODO":
			l.Endless, l.RootName = true, c.Name+"()"
			return l
		case "context.WithoutCancel":
			l.Endless, l.RootName = true, c.Name
			return l
		}
		d, ok := derives[c.Name]
		switch {
		case ok && d.result == result:
		case !ok:
			s := in.Summary(c)
			if s == nil {
				return l
			}
			if s.Background != "" && result == 0 {
				l.Endless, l.RootName = true, s.Background
				return l
			}
			if s.Derives == 0 || result != 0 {
				return l
			}
			d.parent = s.Derives - 1
			l.Cancels = true
		default:
			return l
		}
		if bounds[c.Name] {
			l.Bounded = true
		} else if c.Name != "context.WithValue" {
			l.Cancels = true
		}
		if c.Name == "os/signal.NotifyContext" || c.Name == "github.com/lastcall-go/lastcall/signals.NotifyContext" {
			l.Signal = true
		}
		parent := c.Arg(d.parent)
		if parent == nil {
			return l
		}
		ctx = parent
	}
	return l
}

// callOf returns the call that v is a result of, and the index of the result.
func callOf(v ssa.Value) (*ssa.Call, int) {
	switch x := v.(type) {
	case *ssa.Call:
		return x, 0
	case *ssa.Extract:
		if call, ok := x.Tuple.(*ssa.Call); ok {
			return call, x.Index
		}
	}
	return nil, 0
}

// DoneAt finds the event after which ctx is done when the call is made, on
// every path to it.
func (in *Info) DoneAt(call Call, ctx ssa.Value) (Event, bool) {
	keys := in.Lineage(ctx).Keys
	fn := call.Instr.Parent()
	if call.Defer() {
		if e, ok := in.doneAtExit(call.Instr, keys, in.Events(fn)); ok {
			return e, true
		}
	}
	return in.doneBefore(call.Instr, keys, 0)
}

func (in *Info) doneBefore(at ssa.Instruction, keys []Key, depth int) (Event, bool) {
	fn := at.Parent()
	for _, e := range in.Events(fn) {
		if e.dominates(at) && has(keys, e.Key) {
			return e, true
		}
	}
	if depth > 5 || fn.Parent() == nil {
		return Event{}, false
	}
	return in.doneAtEntry(fn, keys, depth)
}

// doneAtEntry checks the place where a literal is made, and its purpose.
func (in *Info) doneAtEntry(fn *ssa.Function, keys []Key, depth int) (Event, bool) {
	site := in.sites[fn]
	if site == nil {
		return Event{}, false
	}
	if e, ok := in.doneBefore(site, keys, depth+1); ok {
		return e, true
	}
	uses := []ssa.Instruction{site}
	if mc, ok := site.(*ssa.MakeClosure); ok {
		uses = *mc.Referrers()
	}
	if len(uses) != 1 {
		return Event{}, false
	}
	switch x := uses[0].(type) {
	case *ssa.Defer:
		if in.Function(x.Call.Value) == fn {
			return in.doneAtExit(x, keys, in.Events(x.Parent()))
		}
	case *ssa.Call:
		c := in.call(x)
		if c.Name != "context.AfterFunc" || in.Function(c.Arg(1)) != fn {
			break
		}
		if k := in.Key(c.Arg(0)); has(keys, k) {
			return Event{Key: k, Ctx: c.Arg(0), Instr: x, Pos: x.Pos(), How: "is done when AfterFunc starts this,"}, true
		}
	}
	return Event{}, false
}

// doneAtExit reports whether a call that is deferred at d runs when one of keys is
// done, on every path to the end of the function. Paths that fail before the event,
// with an error or an exit, do not count.
func (in *Info) doneAtExit(d ssa.Instruction, keys []Key, events []Event) (Event, bool) {
	var mine []Event
	for _, e := range events {
		if has(keys, e.Key) {
			mine = append(mine, e)
		}
	}
	if len(mine) == 0 {
		return Event{}, false
	}
	for _, e := range mine {
		if e.dominates(d) {
			return e, true
		}
	}
	var met Event
	clean, reached := true, false
	Walk(d, func(instr ssa.Instruction) bool {
		for _, e := range mine {
			if e.at(instr) {
				met, reached = e, true
				return true
			}
		}
		if in.Terminates(instr) {
			return true
		}
		if ret, ok := instr.(*ssa.Return); ok {
			if ret.Block() != d.Parent().Recover && !in.fails(ret) {
				clean = false
			}
			return true
		}
		return false
	})
	return met, clean && reached
}

// fails reports whether a return follows a failure: its error is certainly not nil,
// or a check found that it is not.
func (in *Info) fails(ret *ssa.Return) bool {
	if len(ret.Results) == 0 {
		return false
	}
	last := ret.Results[len(ret.Results)-1]
	if !isError(last.Type()) {
		return false
	}
	if load, ok := last.(*ssa.UnOp); ok { // of the result variable
		if set := in.loaded(load); set != nil {
			last = set
		}
	}
	switch x := last.(type) {
	case *ssa.MakeInterface:
		return true
	case *ssa.Call:
		if fn := x.Call.StaticCallee(); fn != nil && fn.Pkg != nil {
			switch fn.Pkg.Pkg.Path() + "." + fn.Name() {
			case "fmt.Errorf", "errors.New", "github.com/pkg/errors.Wrap", "github.com/pkg/errors.Wrapf", "github.com/pkg/errors.New", "github.com/pkg/errors.Errorf":
				return true
			}
		}
	}
	return knownNotNil(last, ret.Block())
}

// knownNotNil reports whether b is reached only where v is not nil.
func knownNotNil(v ssa.Value, b *ssa.BasicBlock) bool {
	for dom := b; dom != nil; dom = dom.Idom() {
		parent := dom.Idom()
		if parent == nil || len(parent.Instrs) == 0 {
			continue
		}
		iff, ok := parent.Instrs[len(parent.Instrs)-1].(*ssa.If)
		if !ok || len(dom.Preds) != 1 {
			continue
		}
		cmp, ok := iff.Cond.(*ssa.BinOp)
		if !ok || !sameLoad(cmp.X, v) {
			continue
		}
		if c, ok := cmp.Y.(*ssa.Const); ok && c.IsNil() {
			if cmp.Op == token.NEQ && parent.Succs[0] == dom || cmp.Op == token.EQL && parent.Succs[1] == dom {
				return true
			}
		}
	}
	return false
}

// sameLoad reports whether a and b are one value, or loads of one variable.
func sameLoad(a, b ssa.Value) bool {
	if a == b {
		return true
	}
	x, ok := a.(*ssa.UnOp)
	y, ok2 := b.(*ssa.UnOp)
	return ok && ok2 && x.Op == token.MUL && y.Op == token.MUL && x.X == y.X
}

func isError(t types.Type) bool {
	return types.Identical(t, types.Universe.Lookup("error").Type())
}

func has(keys []Key, k Key) bool {
	for _, e := range keys {
		if e == k {
			return true
		}
	}
	return false
}

// Received returns the value that state i of a select receives, nil if it is not
// used.
func Received(sel *ssa.Select, i int) ssa.Value {
	index := 2 // the chosen state, whether the channel is open, the values
	for j, s := range sel.States {
		if j == i {
			break
		}
		if s.Dir == types.RecvOnly {
			index++
		}
	}
	for _, r := range *sel.Referrers() {
		if ex, ok := r.(*ssa.Extract); ok && ex.Index == index {
			return ex
		}
	}
	return nil
}

// Made returns the place where a literal is made.
func (in *Info) Made(lit *ssa.Function) ssa.Instruction { return in.sites[lit] }
