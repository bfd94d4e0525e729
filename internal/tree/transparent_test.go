package tree_test

import (
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// TestScopesAreTransparent plays random programs twice, the second time with sequential scopes
// without limits around some of their handlers. All steps begin and end at the same times.
func TestScopesAreTransparent(t *testing.T) {
	each(t, func(t *testing.T, seed int64) {
		flat, nested := playFlat(t, seed, nil), playFlat(t, seed, newSource(-1-seed))
		if len(flat) != len(nested) {
			t.Fatalf("%d steps begin, in scopes %d", len(flat), len(nested))
		}
		for i, a := range flat {
			b := nested[i]
			if a.name != b.name || !near(a.start, b.start) || !near(a.deadline, b.deadline) || !near(a.end, b.end) {
				t.Errorf("%v becomes %v in scopes", a, b)
			}
		}
	})
}

// near allows for the rounding of sums in another order.
func near(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond }

type times struct {
	name                 string
	start, deadline, end time.Duration
}

// playFlat plays a program without scopes, or with scopes that a source puts around its handlers.
func playFlat(t *testing.T, seed int64, scopes source) (begun []times) {
	inBubble(t, func(p *program) {
		g := &generator{src: newSource(seed), does: nothing, depth: 0}
		g.long = func() time.Duration { return duration(g.src) }
		grace, flat := gracePeriod(g.src), append(g.list(0), g.list(0)...)
		around := []*tree.Node{p.stack}
		for _, sp := range flat {
			for scopes != nil && scopes.IntN(2) == 0 {
				if len(around) < 5 && scopes.IntN(2) == 0 {
					around = append(around, p.scope(around[len(around)-1], "scope", false, tree.Limits{}))
				} else if len(around) > 1 {
					around = around[:len(around)-1]
				}
			}
			p.build(around[len(around)-1], sp)
		}
		p.onNotice = func(n *tree.Node) {
			if n.List == nil && !n.Over() {
				begun = append(begun, times{n.Name(), p.at(n.Start), p.at(n.Deadline()), p.at(n.End)})
			}
		}
		p.stop(grace)
	})
	return begun
}
