package tree_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// An actor is a step that does what the test tells it, and closes other nodes.
type actor struct {
	node    *tree.Node
	say     chan func(ctx context.Context)
	closing *tree.Node // the node that it waits for
	err     error      // of its last close
}

// listen calls the functions that it gets, until it gets nil.
func (a *actor) listen(ctx context.Context) error {
	for f := range a.say {
		if f == nil {
			return nil
		}
		f(ctx)
	}
	return nil
}

func newActor() *actor { return &actor{say: make(chan func(context.Context), 1)} }

func (p *program) task(l *tree.Node, name string) *actor {
	a := newActor()
	a.node = p.runs(l, tree.Task, name, a.listen, tree.Limits{})
	return a
}

func (p *program) actor(l *tree.Node, name string) *actor {
	a := newActor()
	a.node = p.handler(l, name, a.listen, tree.Limits{})
	return a
}

// closes makes a close n, and waits until that has returned or is blocked.
func (a *actor) closes(p *program, n *tree.Node) {
	a.say <- func(ctx context.Context) {
		a.closing, a.err = n, nil
		a.err = p.close(ctx, n, tree.Never)
		a.closing = nil
	}
	synctest.Wait()
	p.locked(func() {}) // checks the lists
}

func (a *actor) returns() { a.say <- nil; synctest.Wait() }

// refused fails the test unless a's last close was refused at once.
func (a *actor) refused(t *testing.T) {
	t.Helper()
	if a.closing != nil || a.err != tree.ErrInProgress {
		t.Errorf("%s waits (%t), and its close returned %v; want ErrInProgress at once", a.node.Name(), a.closing != nil, a.err)
	}
}

// waits fails the test unless a's last close waits.
func (a *actor) waits(t *testing.T) {
	t.Helper()
	if a.closing == nil {
		t.Errorf("the close of %s has returned %v; want that it waits", a.node.Name(), a.err)
	}
}

// done fails the test unless a's last close has returned nil.
func (a *actor) done(t *testing.T) {
	t.Helper()
	if a.closing != nil || a.err != nil {
		t.Errorf("%s waits (%t), and its close returned %v; want nil", a.node.Name(), a.closing != nil, a.err)
	}
}

func TestWhoWouldWaitForItself(t *testing.T) {
	for name, play := range map[string]func(t *testing.T, p *program){
		"a step that closes itself": func(t *testing.T, p *program) {
			a := p.task(p.stack, "a")
			a.closes(p, a.node)
			a.refused(t)
			a.returns()
		},
		"a handler that closes its scope, and the one around": func(t *testing.T, p *program) {
			outer := p.scope(p.stack, "outer", false, tree.Limits{})
			inner := p.scope(outer, "inner", true, tree.Limits{})
			h := p.actor(inner, "h")
			p.after(0, func() { _ = p.close(context.Background(), h.node, tree.Never) })
			synctest.Wait()
			for _, n := range []*tree.Node{inner, outer, p.stack, p.root} {
				h.closes(p, n)
				h.refused(t)
			}
			h.returns()
		},
		"two that close each other": func(t *testing.T, p *program) {
			a, b := p.task(p.stack, "a"), p.task(p.stack, "b")
			a.closes(p, b.node)
			a.waits(t)
			b.closes(p, a.node)
			b.refused(t)
			b.returns()
			a.done(t)
			a.returns()
		},
		"three in a ring": func(t *testing.T, p *program) {
			a, b, c := p.task(p.stack, "a"), p.task(p.stack, "b"), p.task(p.stack, "c")
			a.closes(p, b.node)
			b.closes(p, c.node)
			c.closes(p, a.node)
			a.waits(t)
			b.waits(t)
			c.refused(t)
			c.returns()
			b.done(t)
			b.returns()
			a.done(t)
			a.returns()
		},
		"three in a ring that goes through scopes": func(t *testing.T, p *program) {
			var scopes []*tree.Node
			var ring []*actor
			for _, name := range []string{"a", "b", "c"} {
				s := p.scope(p.stack, "scope of "+name, name == "b", tree.Limits{})
				scopes, ring = append(scopes, s), append(ring, p.task(s, name))
			}
			for i, a := range ring {
				a.closes(p, scopes[(i+1)%3])
			}
			ring[0].waits(t)
			ring[1].waits(t)
			ring[2].refused(t)
			for _, a := range slices.Backward(ring) {
				a.returns()
			}
		},
		"a task of a group that closes the step that runs the group": func(t *testing.T, p *program) {
			outer := p.task(p.stack, "outer")
			inner := p.task(p.group(outer.node, "group", false), "inner")
			inner.closes(p, outer.node)
			inner.refused(t)
			outer.closes(p, inner.node)
			outer.waits(t)
			inner.returns()
			outer.done(t)
			outer.returns()
		},
		"not one that was abandoned, or that waits for one": func(t *testing.T, p *program) {
			a, b := p.task(p.stack, "a"), p.task(p.stack, "b")
			a.closes(p, b.node)
			p.after(0, func() { _ = p.close(context.Background(), a.node, s) })
			time.Sleep(2 * s)
			p.locked(func() { checkOutcome(t, a.node, outcome(tree.Abandoned), "stuck") })
			b.closes(p, a.node)
			b.done(t)
			b.returns()
			a.returns()
		},
		"not one that is over": func(t *testing.T, p *program) {
			a, b := p.task(p.stack, "a"), p.task(p.stack, "b")
			b.returns()
			a.closes(p, b.node)
			a.done(t)
			a.returns()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				play(t, p)
				p.stop(20 * s)
			})
		})
	}
}

// A context of another program's step has no effect on who waits for whom, unless the program runs
// in that step.
func TestWaitsBetweenTwoPrograms(t *testing.T) {
	inBubble(t, func(p *program) {
		q := newProgram(t)
		a, b := p.task(p.stack, "a"), q.task(q.stack, "b")
		a.say <- func(ctx context.Context) {
			if by, _ := q.Caller(ctx); by != nil {
				t.Errorf("the caller is %s", by.Name())
			}
			a.err = q.close(ctx, b.node, s)
		}
		synctest.Wait()
		b.returns()
		a.done(t)
		q.stop(s)

		// One that runs in a step of p: its steps are that step to p.
		in := newProgram(t)
		in.Outer = a.node
		c := in.task(in.stack, "c")
		c.say <- func(ctx context.Context) {
			if by, _ := p.Caller(ctx); by != a.node {
				t.Errorf("the caller is %v, want a", by)
			}
			c.err = p.close(ctx, a.node, tree.Never)
		}
		synctest.Wait()
		c.refused(t)
		c.returns()
		in.stop(s)
		a.returns()
		p.stop(s)
		close(q.over)
		close(in.over)
	})
}

// A step's goroutine is found by its label if the context does not belong to the step.
func TestTheCallerIsKnownWithoutItsContext(t *testing.T) {
	inBubble(t, func(p *program) {
		a := p.task(p.stack, "a")
		p.task(p.stack, "b").returns()
		a.say <- func(context.Context) {
			if by, hidden := p.Caller(context.Background()); by != a.node || hidden {
				t.Errorf("the caller is %v, hidden %t; want a", by, hidden)
			}
		}
		a.returns()
		if by, hidden := p.Caller(context.Background()); by != nil || hidden {
			t.Errorf("outside of a step the caller is %v, hidden %t", by, hidden)
		}
		p.stop(s)
	})
}

// A graph records who waits for whom, independently of the tree.
type graph struct {
	lists  map[*tree.Node][]*tree.Node // members
	actors map[*tree.Node]*actor
}

// waits reports whether n cannot be over before s is.
func (g *graph) waits(n, s *tree.Node) bool {
	if n.Over() || s.Over() {
		return false
	}
	if n == s {
		return true
	}
	for _, m := range g.lists[n] {
		if g.waits(m, s) {
			return true
		}
	}
	a := g.actors[n]
	return a != nil && a.closing != nil && g.waits(a.closing, s)
}

// TestRefusals plays random programs of steps that close each other. A close is refused if and only
// if the caller would wait for itself by the graph.
func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, seed int64) {
		inBubble(t, func(p *program) {
			src := newSource(seed)
			p.grace = time.Hour
			g := &graph{lists: make(map[*tree.Node][]*tree.Node), actors: make(map[*tree.Node]*actor)}
			var nodes []*tree.Node
			var actors []*actor
			add := func(l, n *tree.Node, a *actor) {
				g.lists[l] = append(g.lists[l], n)
				nodes = append(nodes, n)
				if a != nil {
					g.actors[n], actors = a, append(actors, a)
				}
			}
			lists := []*tree.Node{p.stack}
			for range 4 + src.IntN(12) {
				l := lists[src.IntN(len(lists))]
				switch src.IntN(5) {
				case 0:
					sc := p.scope(l, "scope", src.IntN(3) == 0, tree.Limits{})
					lists = append(lists, sc)
					add(l, sc, nil)
				case 1:
					if outer := actors; len(outer) > 0 { // a group: who runs it waits for it
						a := outer[src.IntN(len(outer))]
						if a.node.Started() && g.lists[a.node] == nil {
							gr := p.group(a.node, "group", src.IntN(3) == 0)
							g.lists[a.node] = []*tree.Node{gr}
							lists = append(lists, gr)
						}
					}
				case 2:
					a := p.actor(l, "handler")
					add(l, a.node, a)
				default:
					a := p.task(l, "task")
					add(l, a.node, a)
				}
			}
			for range 30 {
				if len(actors) == 0 {
					break
				}
				a := actors[src.IntN(len(actors))]
				if !a.node.Started() || a.node.Over() || a.closing != nil {
					continue
				}
				if src.IntN(8) == 0 {
					a.returns()
					continue
				}
				n := nodes[src.IntN(len(nodes))]
				itself, over := g.waits(n, a.node), n.Over()
				a.closes(p, n)
				switch refused := a.closing == nil && errors.Is(a.err, tree.ErrInProgress); {
				case refused != itself:
					t.Errorf("%s closes %s: refused %t, want %t", a.node.Name(), n.Name(), refused, itself)
				case over && (a.closing != nil || a.err != nil):
					t.Errorf("%s closes %s, which is over: %v", a.node.Name(), n.Name(), a.err)
				}
				for range 4 {
					x, y := nodes[src.IntN(len(nodes))], nodes[src.IntN(len(nodes))]
					var waits bool
					p.locked(func() { waits = tree.Waits(x, y) })
					if want := g.waits(x, y); waits != want && !x.Over() {
						t.Errorf("%s waits for %s: %t, want %t", x.Name(), y.Name(), waits, want)
					}
				}
			}
			for _, a := range actors {
				close(a.say) // an actor that is called later returns at once
			}
			synctest.Wait()
			p.stop(time.Hour)
			for _, l := range lists {
				if l.Kind == tree.Group {
					p.stopGroup(l, time.Hour)
				}
			}
			synctest.Wait()
			p.wantIdle()
		})
	})
}
