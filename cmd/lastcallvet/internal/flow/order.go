package flow

import "golang.org/x/tools/go/ssa"

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
