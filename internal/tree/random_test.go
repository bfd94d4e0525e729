package tree_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

var (
	programs = flag.Int("programs", 300, "how many random programs each test plays")
	onlySeed = flag.Int64("seed", -1, "the only random program to play")
)

// each calls f with the seeds to play. They are the same each time.
func each(t *testing.T, f func(t *testing.T, seed int64)) {
	t.Helper()
	first, n := int64(0), int64(*programs)
	if *onlySeed >= 0 {
		first, n = *onlySeed, 1
	}
	seed := first
	defer func() { // the end of a bubble is Goexit if something has failed in it
		if t.Failed() {
			t.Logf("that was -seed=%d", seed)
		}
	}()
	for ; seed < first+n; seed++ {
		f(t, seed)
	}
}

// A source makes decisions. It is random, or a fuzzer.
type source interface{ IntN(n int) int }

func newSource(seed int64) source { return rand.New(rand.NewPCG(uint64(seed), 0)) }

// duration returns a time from nothing to more than most grace periods. The odd nanoseconds make
// equal instants rare.
func duration(src source) time.Duration {
	d := [...]time.Duration{0, 3 * ms, 50 * ms, 400 * ms, s, 3 * s}[src.IntN(6)]
	return d + time.Duration(src.IntN(1000))*1009
}

func gracePeriod(src source) time.Duration {
	return [...]time.Duration{200 * ms, s, 5 * s, 25 * s}[src.IntN(4)]
}

// A generator makes random specs.
type generator struct {
	src   source
	n     int
	all   []*spec
	does  func() tree.Func // what a handler does before it takes its time
	long  func() time.Duration
	depth int
}

func (g *generator) name(kind string) string { g.n++; return kind + strconv.Itoa(g.n) }

// list makes the members of a list.
func (g *generator) list(depth int) (members []*spec) {
	for range 1 + g.src.IntN(4) {
		members = append(members, g.one(depth))
	}
	return members
}

func (g *generator) one(depth int) *spec {
	if depth < g.depth && g.src.IntN(3) == 0 {
		sp := scopeOf(g.name("scope"), g.list(depth+1)...)
		sp.concurrent = g.src.IntN(3) == 0
		if g.src.IntN(2) == 0 {
			sp.reserve(g.long())
		}
		if g.src.IntN(4) == 0 {
			sp.timeout(g.long())
		}
		g.all = append(g.all, sp)
		return sp
	}
	sp := &spec{name: g.name("step")}
	if g.src.IntN(3) == 0 {
		sp.timeout(1 + g.long())
	}
	if g.src.IntN(3) == 0 {
		sp.reserve(g.long())
	}
	switch g.src.IntN(4) {
	case 0:
		sp.takes = forever
	case 1:
		sp.takes = duration(g.src)
	case 2:
		sp.does = g.does()
	}
	g.all = append(g.all, sp)
	return sp
}

func nothing() tree.Func { return nil }

// closes makes a step that closes a random node.
func (g *generator) closes(p *program) func() tree.Func {
	return func() tree.Func {
		target := g.src.IntN(1000)
		return func(ctx context.Context) error {
			p.closeEarly(ctx, g.all[target%len(g.all)], tree.Never)
			return nil
		}
	}
}

// closeEarly closes the node of sp. From then on its steps have the time of the closer.
func (p *program) closeEarly(ctx context.Context, sp *spec, most time.Duration) {
	before := false
	p.locked(func() { before, sp.isClosed = sp.isClosed, true })
	if p.close(ctx, sp.node, most) == tree.ErrInProgress {
		p.locked(func() { sp.isClosed = before })
	}
}
