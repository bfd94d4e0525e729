package tree_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A world plays one random program with all kinds of nodes: scopes, groups in groups, tasks, pairs
// and holds. Its steps are slow, stuck or fail, and register, unregister and close others, early
// and late. Other goroutines close nodes, and there are second signals.
type world struct {
	*program
	end time.Duration // the latest time at which anything may happen

	mu      sync.Mutex
	src     source
	n       int
	nodes   []*tree.Node
	order   map[*tree.Node]int
	list    map[*tree.Node]*tree.Node
	removed map[*tree.Node]bool
	called  map[*tree.Node]bool

	// Guarded by the tree's lock.
	begun, ended map[*tree.Node]int
	turns        map[*tree.Node]*tree.Node // the member that has its turn, of each sequential list
}

func (w *world) IntN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.src.IntN(n)
}

func (w *world) limits() (l tree.Limits) {
	if w.IntN(4) == 0 {
		l.Timeout = 1 + duration(w)
	}
	if w.IntN(4) == 0 {
		l.Reserve = duration(w)
	}
	return l
}

// any returns a random node for which f is true, nil if it does not find one soon.
func (w *world) any(f func(*tree.Node) bool) *tree.Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 8 {
		if len(w.nodes) == 0 {
			return nil
		}
		if n := w.nodes[w.src.IntN(len(w.nodes))]; f(n) {
			return n
		}
	}
	return nil
}

// put adds n to l, and runs it if it is not a handler.
func (w *world) put(l, n *tree.Node) {
	w.locked(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.order[n], w.list[n] = len(w.order), l
		values := w.Values()
		if n.Kind == tree.Handler || n.List != nil {
			values = nil
		}
		if w.Add(l, n, values) != nil {
			return
		}
		if values != nil {
			w.Call(n)
		}
		w.nodes = append(w.nodes, n)
	})
}

func (w *world) name(kind string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return kind + strconv.Itoa(w.n)
}

// entry adds a random node to a scope, or to the stack.
func (w *world) entry(l *tree.Node, depth int) {
	if l == nil {
		l = w.stack
	}
	switch w.IntN(8) {
	case 0, 1:
		if depth < 3 {
			sc := newList(w.name("scope"), w.IntN(3) == 0)
			sc.Limits = w.limits()
			w.put(l, sc)
			for range w.IntN(4) {
				w.entry(sc, depth+1)
			}
			return
		}
	case 2:
		w.put(l, w.step(tree.Task, "task", depth))
		return
	case 3:
		n := w.step(tree.Task, "pair", depth)
		n.RunContext, n.More = nil, &tree.More{Interrupt: func(ctx context.Context) error { w.sleep(duration(w)); return nil }}
		w.put(l, n)
		return
	}
	w.put(l, w.step(tree.Handler, "handler", depth))
}

func (w *world) step(kind tree.Kind, name string, depth int) *tree.Node {
	return newStep(kind, w.name(name), func(ctx context.Context) error { return w.work(ctx, depth) }, w.limits())
}

// work is what a step does.
func (w *world) work(ctx context.Context, depth int) error {
	n := tree.From(ctx)
	w.mu.Lock()
	w.called[n] = true
	w.mu.Unlock()
	at, _ := ctx.Deadline()
	defer func() {
		if now, _ := ctx.Deadline(); !now.Equal(at) {
			w.t.Errorf("the deadline of %s was %v, and is %v", n.Name(), at, now)
		}
	}()
	for range 1 + w.IntN(3) {
		switch w.IntN(14) {
		case 0, 1, 2:
			if w.waits(ctx, duration(w)) {
				return ctx.Err()
			}
		case 3:
			if w.waits(ctx, forever) {
				return ctx.Err()
			}
		case 4, 5:
			w.sleep(duration(w))
		case 6:
			w.sleep(forever)
		case 7:
			w.waits(n.Work(ctx), duration(w))
		case 8, 9:
			if depth < 3 {
				w.entry(w.any(isScope), depth+1)
			}
		case 10:
			w.takeBack()
		case 11:
			w.closeOne(ctx)
		case 12:
			if depth < 2 {
				w.runGroup(ctx, n, depth+1)
			}
		}
	}
	switch w.IntN(12) {
	case 0:
		panic("a panic")
	case 1:
		runtime.Goexit()
	case 2:
		return errors.New("failed")
	case 3:
		defer func() { panic("in a Goexit") }()
		runtime.Goexit()
	case 4:
		tree.Leave()
	}
	return nil
}

// waits reports whether ctx has ended before d is over.
func (w *world) waits(ctx context.Context, d time.Duration) bool {
	var timer <-chan time.Time
	if d != forever {
		timer = time.After(d)
	}
	select {
	case <-ctx.Done():
		return true
	case <-timer:
	case <-w.over:
	}
	return false
}

func isScope(n *tree.Node) bool { return n.Kind == tree.Scope }

func (w *world) takeBack() {
	n := w.any(func(n *tree.Node) bool { return n.Kind == tree.Handler })
	if n == nil {
		return
	}
	w.locked(func() {
		if w.Remove(n) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.removed[n] = true
		}
	})
}

// closeOne closes a random node, with or without a limit of its own, and checks that Close returns
// in time.
func (w *world) closeOne(ctx context.Context) {
	n := w.any(func(n *tree.Node) bool { return n.Kind != tree.Main && n.Kind != tree.Hold })
	if n == nil {
		return
	}
	if w.IntN(2) == 0 {
		_ = w.close(ctx, n, tree.Never)
		return
	}
	end := w.since() + 1 + duration(w)
	if err := w.close(ctx, n, end-w.since()); err == nil && w.since() > end {
		w.t.Errorf("the close of %s is back at %v, after its limit %v", n.Name(), w.since(), end)
	}
}

func (w *world) runGroup(ctx context.Context, outer *tree.Node, depth int) {
	g := w.group(outer, w.name("group"), w.IntN(3) == 0)
	for range 1 + w.IntN(3) {
		w.put(g, w.step(tree.Task, "member", depth))
	}
	w.waits(ctx, duration(w))
	limit := 1 + duration(w)
	w.locked(func() {
		if outer.Stopping() {
			limit = tree.Never
		}
	})
	w.stopGroup(g, limit)
}

// checkNotice checks the start and the end of nodes.
func (w *world) checkNotice(n *tree.Node) {
	now := w.Now()
	l := w.list[n]
	turn := l != nil && !tree.Linked(n) && !l.List.Concurrent && l.Stopping()
	if n.Over() {
		if w.ended[n]++; w.ended[n] > 1 {
			w.t.Errorf("%s has two outcomes", n.Name())
		}
		if w.turns[l] == n {
			delete(w.turns, l)
		}
		return
	}
	if w.begun[n]++; w.begun[n] > 1 {
		w.t.Errorf("%s begins twice", n.Name())
	}
	switch {
	case n.End <= now || n.End > w.end || n.Deadline() > n.End || n.Deadline() < now:
		w.t.Errorf("%s begins at %v, until %v and %v of %v", n.Name(), w.at(now), w.at(n.Deadline()), w.at(n.End), w.at(w.end))
	case w.Forced() && n.End-now > n.Minimum()+1:
		w.t.Errorf("%s has %v after a second signal, and its minimum is %v", n.Name(), n.End-now, n.Minimum())
	case turn && w.turns[l] != nil:
		w.t.Errorf("%s begins while %s has its turn in %s", n.Name(), w.turns[l].Name(), l.Name())
	}
	if !turn {
		return
	}
	w.turns[l] = n
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.nodes {
		if w.list[m] == l && w.order[m] > w.order[n] && tree.Linked(m) && m != n && l != w.body {
			w.t.Errorf("%s begins before %s, which is newer", n.Name(), m.Name())
		}
	}
}

// checkWaits checks, at each release of the lock, that the nodes that a step waits for end by its
// deadline, so that they are abandoned first.
func (w *world) checkWaits() {
	now := w.Now()
	for _, a := range w.Running() {
		for _, b := range w.Running() {
			if a == b || !a.Stopping() || !b.Stopping() || !tree.Waits(a, b) {
				continue
			}
			if b.End > a.End || now < a.Deadline() && b.End > a.Deadline() {
				w.t.Errorf("%s ends at %v; %s, which waits for it, has %v and %v",
					b.Name(), w.at(b.End), a.Name(), w.at(a.Deadline()), w.at(a.End))
			}
		}
	}
}

func TestPropertiesOfRandomPrograms(t *testing.T) {
	each(t, func(t *testing.T, seed int64) {
		inBubble(t, func(p *program) {
			w := &world{
				program: p, src: newSource(seed), end: tree.Never,
				order: make(map[*tree.Node]int), list: make(map[*tree.Node]*tree.Node),
				removed: make(map[*tree.Node]bool), called: make(map[*tree.Node]bool),
				begun: make(map[*tree.Node]int), ended: make(map[*tree.Node]int), turns: make(map[*tree.Node]*tree.Node),
			}
			p.grace = gracePeriod(w)
			p.onNotice = func(n *tree.Node) {
				if n.List == nil {
					w.checkNotice(n)
				}
			}
			p.onUnlock = w.checkWaits
			w.play()
		})
	})
}

func (w *world) play() {
	for range 1 + w.IntN(6) {
		w.entry(w.stack, 0)
	}
	for range w.IntN(3) {
		w.put(w.body, w.step(tree.Hold, "hold", 0))
	}
	w.put(w.body, w.step(tree.Main, "main", 0))
	stopAt := duration(w)
	for range w.IntN(4) {
		w.after(duration(w), func() { w.closeOne(context.Background()) })
	}
	for range w.IntN(3) {
		w.after(duration(w), func() { w.entry(w.any(isScope), 1) })
		w.after(duration(w), w.takeBack)
	}
	if w.IntN(3) == 0 {
		w.after(stopAt+duration(w), func() { w.locked(func() { w.Force(errors.New("second signal")) }) })
	}
	time.Sleep(stopAt)
	w.locked(func() { w.end = w.Now() + w.grace })
	w.stop(w.grace)
	if now := w.Now(); now > w.end {
		w.t.Errorf("over at %v, after %v", w.at(now), w.at(w.end))
	}
	w.locked(func() { w.end = tree.Never; w.ResetLimits() })
	close(w.over) // stuck steps go on
	synctest.Wait()
	time.Sleep(time.Hour) // and groups of steps that were abandoned end
	synctest.Wait()
	w.over = make(chan struct{})
	w.wantIdle()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		switch {
		case n.List != nil:
		case w.removed[n] && (w.begun[n] > 0 || w.ended[n] > 0 || w.called[n]):
			w.t.Errorf("%s was taken back, and has run", n.Name())
		case !w.removed[n] && w.ended[n] != 1:
			w.t.Errorf("%s has %d outcomes", n.Name(), w.ended[n])
		case w.begun[n] > 0 && !w.called[n]:
			w.t.Errorf("%s has begun, and was not called", n.Name())
		}
	}
}
