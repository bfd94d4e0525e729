package tree_test

import (
	"math"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A script is a source that a fuzzer writes.
type script struct{ bytes []byte }

func (sc *script) IntN(n int) int {
	if len(sc.bytes) == 0 {
		return 0
	}
	b := sc.bytes[0]
	sc.bytes = sc.bytes[1:]
	return int(b) % n
}

// limit returns a limit from a nanosecond to the longest Duration, most often a reasonable one.
func (sc *script) limit() time.Duration {
	switch kind := sc.IntN(256); {
	case kind < 100:
		return time.Duration(sc.IntN(256)) * 50 * ms
	case kind < 200:
		return time.Duration(sc.IntN(256))*s + time.Duration(sc.IntN(256))
	case kind < 250:
		return time.Duration(sc.IntN(256))<<45 | time.Duration(sc.IntN(256))<<30 // up to a hundred days
	}
	return math.MaxInt64 - 1 - time.Duration(sc.IntN(256)) // a step adds 1
}

// FuzzBudget plays programs with limits of any size and grace periods of any length. No step has
// less than its minimum or more than the time left, and none begins without any time.
func FuzzBudget(f *testing.F) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(37 * i)
	}
	for _, grace := range []time.Duration{0, 1, 40 * ms, s, 25 * s, time.Hour, 100 * 365 * 24 * time.Hour} {
		f.Add(int64(grace), []byte{})
		f.Add(int64(grace), all)
		f.Add(int64(grace), all[128:])
		f.Add(int64(grace), append([]byte{3, 1, 0, 255, 1, 0, 255, 7, 0, 1, 1, 0, 255}, all[:64]...))
	}
	f.Fuzz(func(t *testing.T, length int64, bytes []byte) {
		const longest = 200 * 365 * 24 * time.Hour // the clock of a bubble ends in 2262
		grace := time.Duration(length & math.MaxInt64 % int64(longest))
		inBubble(t, func(p *program) {
			p.slack = 1e5 // beside a reserve of centuries a float64 has no nanoseconds
			src := &script{bytes}
			g := &generator{src: src, long: src.limit, does: nothing, depth: 3}
			specs := g.list(0)
			main := p.runs(p.body, tree.Main, "main", obeys, tree.Limits{})
			p.build(p.stack, specs...)
			o := newOracle(grace, main, specs)
			p.onNotice = func(n *tree.Node) {
				if n.List != nil || n.Over() {
					return
				}
				if n.End <= n.Start || n.Deadline() > n.End || n.Deadline() < n.Start || p.at(n.End) > grace {
					t.Errorf("%s begins at %v of %v, until %v and %v", n.Name(), p.at(n.Start), grace, p.at(n.Deadline()), p.at(n.End))
				}
				o.check(p, n)
			}
			p.stop(grace)
			if at := p.since(); at > grace {
				t.Errorf("over at %v of %v", at, grace)
			}
			if t.Failed() {
				t.Log(lines(specs, "\t"))
				t.Log(p.begun)
			}
		})
	})
}

// FuzzArithmetic checks that no sum overflows.
func FuzzArithmetic(f *testing.F) {
	for _, a := range []int64{0, 1, int64(25 * s), math.MaxInt64 - 1, math.MaxInt64} {
		for _, b := range []int64{0, 1, int64(s), math.MaxInt64} {
			f.Add(a, b, 3)
		}
	}
	f.Fuzz(func(t *testing.T, x, y int64, n int) {
		a, b := time.Duration(x&math.MaxInt64), time.Duration(y&math.MaxInt64)
		n &= math.MaxInt32
		if sum := tree.Sum(a, b); sum < a || sum < b || sum != tree.Sum(b, a) || sum != tree.Never && sum-a != b {
			t.Errorf("Sum(%d, %d) = %d", a, b, sum)
		}
		if m := tree.Margin(a); m < 0 || m > a/2 || m > 500*ms || m < min(a/2, 25*ms) {
			t.Errorf("Margin(%d) = %d", a, m)
		}
		switch floor := tree.PlanFloor(a, n); {
		case floor < 1 || floor > s:
			t.Errorf("the floor of %d for %d steps is %d", a, n, floor)
		case floor > 1 && floor > a/time.Duration(2*max(n, 1)):
			t.Errorf("the floors of %d steps are more than half of %d", n, a)
		}
	})
}
