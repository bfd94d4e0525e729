package flow

import (
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ssa"
)

// An Event is a place after which a context is done.
type Event struct {
	Key   Key
	Ctx   ssa.Value       // the context
	Instr ssa.Instruction // it is done after this; nil: from the beginning of Block on
	Block *ssa.BasicBlock
	Pos   token.Pos
	How   string // "is received from", "is cancelled"
	// Deferred: the event is a deferred call, which comes before the calls
	// that were deferred before it and after everything else.
	Deferred bool
}

// Cancelled reports whether the event is a call of the context's cancel function
// where it stands.
func (e Event) Cancelled() bool { return e.How == cancelled && !e.Deferred }

const cancelled = "is cancelled"

func (e Event) dominates(at ssa.Instruction) bool {
	if e.Deferred {
		return false
	}
	if e.Instr != nil {
		return dominates(e.Instr, at)
	}
	return e.Block == at.Block() || e.Block.Dominates(at.Block())
}

// at reports whether instr is where the event happens.
func (e Event) at(instr ssa.Instruction) bool {
	if e.Instr != nil {
		return e.Instr == instr
	}
	return e.Block == instr.Block() && e.Block.Instrs[0] == instr
}

// Events lists where contexts are done within fn itself.
func (in *Info) Events(fn *ssa.Function) []Event {
	if ev, ok := in.events[fn]; ok {
		return ev
	}
	in.events[fn] = nil
	var events []Event
	add := func(ctx ssa.Value, instr ssa.Instruction, b *ssa.BasicBlock, pos token.Pos, how string) {
		e := Event{Key: in.Key(ctx), Ctx: ctx, Instr: instr, Block: b, Pos: pos, How: how}
		if _, ok := instr.(*ssa.Defer); ok {
			e.Deferred = true
		}
		events = append(events, e)
	}
	for instr := range Instrs(fn) {
		switch x := instr.(type) {
		case *ssa.UnOp:
			if x.Op == token.ARROW {
				if ctx := in.doneOf(x.X); ctx != nil {
					add(ctx, x, nil, x.Pos(), "is done")
				}
			}
		case *ssa.Select:
			in.selectEvents(x, add)
		case *ssa.If:
			in.errEvents(x, add)
		case ssa.CallInstruction:
			if _, ok := instr.(*ssa.Go); ok {
				break
			}
			in.callEvents(in.call(x), add)
		}
	}
	in.events[fn] = events
	return events
}

type addEvent func(ctx ssa.Value, instr ssa.Instruction, b *ssa.BasicBlock, pos token.Pos, how string)

// doneOf returns the context of the Done channel v.
func (in *Info) doneOf(v ssa.Value) ssa.Value {
	call, ok := in.Resolve(v).(*ssa.Call)
	if !ok {
		return nil
	}
	c := in.call(call)
	if c.Obj == nil || c.Obj.Name() != "Done" || c.Recv == nil || !IsContext(c.Recv.Type()) {
		return nil
	}
	return c.Recv
}

// selectEvents finds the branches of a select that are taken when a context is
// done. SSA compares the index of the state that was chosen, one by one.
func (in *Info) selectEvents(sel *ssa.Select, add addEvent) {
	for i, state := range sel.States {
		if state.Dir != types.RecvOnly {
			continue
		}
		ctx := in.doneOf(state.Chan)
		if ctx == nil {
			continue
		}
		for _, b := range selectBranch(sel, i) {
			pos := state.Pos
			add(ctx, nil, b, pos, "is done")
		}
	}
}

func selectBranch(sel *ssa.Select, i int) []*ssa.BasicBlock {
	var list []*ssa.BasicBlock
	for _, ref := range *sel.Referrers() {
		ex, ok := ref.(*ssa.Extract)
		if !ok || ex.Index != 0 {
			continue
		}
		for _, r := range *ex.Referrers() {
			cmp, ok := r.(*ssa.BinOp)
			if !ok || cmp.Op != token.EQL {
				continue
			}
			c, ok := cmp.Y.(*ssa.Const)
			if !ok || c.Int64() != int64(i) {
				continue
			}
			for _, u := range *cmp.Referrers() {
				if iff, ok := u.(*ssa.If); ok && len(iff.Block().Succs[0].Preds) == 1 {
					list = append(list, iff.Block().Succs[0])
				}
			}
		}
	}
	return list
}

// errEvents finds "if ctx.Err() != nil" and its like.
func (in *Info) errEvents(iff *ssa.If, add addEvent) {
	cmp, ok := iff.Cond.(*ssa.BinOp)
	if !ok {
		return
	}
	c, ok := cmp.Y.(*ssa.Const)
	if !ok || !c.IsNil() {
		return
	}
	branch := 0
	switch cmp.Op {
	case token.NEQ:
	case token.EQL:
		branch = 1
	default:
		return
	}
	call, ok := in.Resolve(cmp.X).(*ssa.Call)
	if !ok {
		return
	}
	k := in.call(call)
	var ctx ssa.Value
	switch {
	case k.Obj != nil && k.Obj.Name() == "Err" && k.Recv != nil && IsContext(k.Recv.Type()):
		ctx = k.Recv
	case k.Name == "context.Cause":
		ctx = k.Arg(0)
	default:
		return
	}
	if b := iff.Block().Succs[branch]; len(b.Preds) == 1 {
		add(ctx, nil, b, iff.Cond.Pos(), "is done")
	}
}

// callEvents: a cancel function, the Wait of an errgroup, a function that
// returns only when the context is done.
func (in *Info) callEvents(c Call, add addEvent) {
	pos := c.Instr.Pos()
	if c.Name == "golang.org/x/sync/errgroup.Group.Wait" {
		if ex, ok := in.Resolve(c.Recv).(*ssa.Extract); ok && ex.Index == 0 {
			if ctx := sibling(ex, 1); ctx != nil {
				add(ctx, c.Instr, nil, pos, "is cancelled, as Wait does when it returns,")
			}
		}
		return
	}
	if c.Obj == nil && c.Fn == nil {
		if ex, ok := in.Resolve(c.Instr.Common().Value).(*ssa.Extract); ok && ex.Index == 1 {
			call, _ := ex.Tuple.(*ssa.Call)
			if call == nil {
				return
			}
			if k := in.call(call); derives[k.Name].parent == 0 && k.Name != "" && k.Name != "golang.org/x/sync/errgroup.WithContext" {
				if _, ok := derives[k.Name]; !ok {
					return
				}
				if ctx := sibling(ex, 0); ctx != nil {
					add(ctx, c.Instr, nil, pos, cancelled)
				}
			}
		}
		return
	}
	if s := in.Summary(c); s != nil && s.Waits != 0 {
		for i, arg := range c.Args {
			if s.Waits.Has(i) {
				add(arg, c.Instr, nil, pos, "is done, for which "+c.Short()+" waits,")
			}
		}
	}
	if c.Fn != nil && c.Fn.Parent() != nil && !c.Defer() { // a literal that is called where it stands
		for _, e := range in.normalExits(c.Fn) {
			add(e.Ctx, c.Instr, nil, e.Pos, e.How)
		}
	}
}

// sibling is another result of the call that ex is a result of.
func sibling(ex *ssa.Extract, index int) ssa.Value {
	for _, r := range *ex.Tuple.Referrers() {
		if o, ok := r.(*ssa.Extract); ok && o.Index == index {
			return o
		}
	}
	return nil
}

// normalExits lists the events of fn that every path to a return has passed.
func (in *Info) normalExits(fn *ssa.Function) []Event {
	var list []Event
	for _, e := range in.Events(fn) {
		returns, all := 0, true
		for instr := range Instrs(fn) {
			if _, ok := instr.(*ssa.Return); ok && instr.Block() != fn.Recover {
				returns++
				all = all && (e.dominates(instr) || e.Deferred && dominates(e.Instr, instr))
			}
		}
		if returns > 0 && all {
			list = append(list, e)
		}
	}
	return list
}
