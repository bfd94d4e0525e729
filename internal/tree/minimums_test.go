package tree_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// An oracle computes the minimum of each step from the specs alone, by the formula in package
// shutdown's documentation, and without the tree's own state.
type oracle struct {
	floor time.Duration
	least map[*tree.Node]float64
}

// newOracle makes the plan of a stop with this much time left. It is called just before the stop.
func newOracle(left time.Duration, main *tree.Node, stack []*spec) *oracle {
	program := scopeOf("program", scopeOf("stack", stack...), &spec{node: main})
	o := &oracle{max(1, min(s, left/time.Duration(2*max(1, program.chain())))), make(map[*tree.Node]float64)}
	scale := 1.0
	if sum := o.minimum(program); sum > 0.9*float64(left) {
		scale = 0.9 * float64(left) / sum
	}
	o.share(program, scale)
	return o
}

// chain returns how many steps of sp run one after the other.
func (sp *spec) chain() (n int) {
	switch {
	case sp.node != nil && !tree.Linked(sp.node): // it is over, or has had its turn in a scope that is closed
		return 0
	case !sp.isScope:
		return 1
	}
	for _, m := range sp.members {
		if sp.concurrent {
			n = max(n, m.chain())
		} else {
			n += m.chain()
		}
	}
	return n
}

// minimum returns max(floor, Reserve), capped by Timeout. For a scope the sum of its members'
// minimums, or the largest, takes the place of the floor.
func (o *oracle) minimum(sp *spec) float64 {
	if sp.node != nil && sp.node.Over() {
		return 0
	}
	m := float64(o.floor)
	if sp.isScope {
		m = o.sum(sp)
	}
	m = max(m, float64(sp.limits.Reserve))
	if sp.limits.Timeout > 0 {
		m = min(m, float64(sp.limits.Timeout))
	}
	return m
}

func (o *oracle) sum(sp *spec) (sum float64) {
	for _, m := range sp.members {
		if sp.concurrent {
			sum = max(sum, o.minimum(m))
		} else {
			sum += o.minimum(m)
		}
	}
	return sum
}

// share records the minimum of each step below sp. A scope that has less than its members' minimums
// together scales them.
func (o *oracle) share(sp *spec, scale float64) {
	if !sp.isScope {
		o.least[sp.node] = scale * o.minimum(sp)
		return
	}
	if sum := o.sum(sp); sum > o.minimum(sp) {
		scale *= o.minimum(sp) / sum
	}
	for _, m := range sp.members {
		if !m.isClosed { // else it has the time of its closer
			o.share(m, scale)
		}
	}
}

// check compares the budget of n with its minimum.
func (o *oracle) check(p *program, n *tree.Node) {
	least, ok := o.least[n]
	if got := n.End - n.Start; ok && float64(got) < least*(1-1e-6)-100 { // each share is rounded down
		p.t.Errorf("%s begins at %v with %v, and its minimum is %v", n.Name(), p.at(n.Start), got, time.Duration(least))
	}
}

// closedEarly returns the specs that are closed early, and their members.
func closedEarly(specs []*spec, within bool, found map[*tree.Node]bool) map[*tree.Node]bool {
	for _, sp := range specs {
		if within || sp.isClosed {
			found[sp.node] = true
		}
		closedEarly(sp.members, within || sp.isClosed, found)
	}
	return found
}

// playMinimums plays a program whose handlers are slow, stuck, or close others early. It checks
// that each has its minimum.
func playMinimums(p *program, g *generator, early string) {
	specs := g.list(0)
	main := p.runs(p.body, tree.Main, "main", obeys, tree.Limits{})
	p.build(p.stack, specs...)
	grace := gracePeriod(g.src)
	stopAt := 100*ms + 77
	if early == "outside" {
		for range 3 {
			sp := g.all[g.src.IntN(len(g.all))]
			p.after(duration(g.src), func() { p.closeEarly(context.Background(), sp, 10*s) })
		}
	}
	time.Sleep(stopAt)
	var o *oracle
	p.locked(func() { o = newOracle(grace, main, specs) })
	p.onNotice = func(n *tree.Node) {
		if !n.Over() && !closedEarly(specs, false, make(map[*tree.Node]bool))[n] {
			o.check(p, n)
		}
	}
	p.stop(grace)
	if p.t.Failed() {
		p.t.Logf("a grace period of %v, stopped at %v:%s", grace, stopAt, lines(specs, "\t"))
		p.t.Log(strings.Join(p.begun, "\n"))
	}
	if at := p.since(); at > stopAt+grace {
		p.t.Errorf("over at %v, after %v of grace", at, grace)
	}
}

// TestMinimums compares random programs with an oracle: each step has its minimum, scaled as in the
// plan, whatever the steps before it do.
func TestMinimums(t *testing.T) {
	for _, early := range []string{"nobody", "step", "outside"} {
		t.Run("closed early by "+early, func(t *testing.T) {
			each(t, func(t *testing.T, seed int64) {
				inBubble(t, func(p *program) {
					g := &generator{src: newSource(seed), does: nothing, depth: 3}
					g.long = func() time.Duration { return duration(g.src) }
					if early == "step" {
						g.does = g.closes(p)
					}
					playMinimums(p, g, early)
				})
			})
		})
	}
}
