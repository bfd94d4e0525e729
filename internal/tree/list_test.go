package tree_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

func TestMembersOfAList(t *testing.T) {
	inBubble(t, func(p *program) {
		p.slack = 1e4 // beside a reserve of centuries a float64 has no nanoseconds
		sc := p.scope(p.stack, "scope", false, tree.Limits{Reserve: 4 * s})
		a := p.handler(sc, "a", p.takes(2*s), tree.Limits{})
		p.handler(sc, "b", p.takes(2*s), tree.Limits{Reserve: 3 * s})
		in := p.scope(sc, "in", true, tree.Limits{})
		p.handler(in, "c", p.takes(0), tree.Limits{Reserve: s})
		p.handler(in, "d", p.takes(0), tree.Limits{Reserve: 2 * s})
		p.handler(p.stack, "e", p.takes(0), tree.Limits{Reserve: math.MaxInt64})
		want := func(members int, reserved time.Duration, names ...string) {
			t.Helper()
			p.locked(func() {
				var got []string
				sc.Each(func(n *tree.Node) { got = append(got, n.Name()) })
				slices.Sort(got)
				if !slices.Equal(got, names) || sc.Members() != members || sc.Reserved() != reserved {
					t.Errorf("%v, %d members, reserved %v; want %v, %d, %v", got, sc.Members(), sc.Reserved(), names, members, reserved)
				}
			})
		}
		want(3, 5*s, "a", "b", "c", "d")
		p.locked(func() {
			if got := p.stack.Reserved(); got != tree.Never {
				t.Errorf("the stack has reserved %v", got)
			}
		})
		done := p.begin(20 * s)
		time.Sleep(s) // b runs, and in is over
		want(2, 0, "a", "b")
		p.locked(func() {
			if a.Started() || !a.Queued() || a.Stopping() || a.Over() || p.stack.Full() || sc.Full() {
				t.Errorf("started %t, queued %t, stopping %t, over %t; full %t and %t",
					a.Started(), a.Queued(), a.Stopping(), a.Over(), p.stack.Full(), sc.Full())
			}
		})
		<-done
		want(0, 0)
	})
}

func TestAListThatTakesNoMoreMembers(t *testing.T) {
	scope := func(p *program) *tree.Node { return p.scope(p.stack, "scope", false, tree.Limits{}) }
	for name, list := range map[string]func(p *program) *tree.Node{
		"closed":   func(p *program) *tree.Node { l := scope(p); p.locked(l.List.Close); return l },
		"over":     func(p *program) *tree.Node { l := scope(p); _ = p.close(context.Background(), l, s); return l },
		"detached": func(p *program) *tree.Node { l := scope(p); p.locked(func() { p.Detach(l) }); return l },
		"stopped":  func(p *program) *tree.Node { l := scope(p); p.stop(0); return l },
		"late":     func(p *program) *tree.Node { p.stop(s); return scope(p) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				l := list(p)
				for _, n := range []*tree.Node{newStep(tree.Handler, "step", nil, tree.Limits{}), newList("list", false)} {
					p.locked(func() {
						if err := p.Add(l, n, nil); err != tree.ErrClosed || !n.Over() {
							t.Errorf("Add = %v, over %t; want ErrClosed, and over", err, n.Over())
						}
						<-n.Done()
					})
				}
			})
		})
	}
}

func TestRemove(t *testing.T) {
	inBubble(t, func(p *program) {
		remove := func(n *tree.Node, want bool) {
			t.Helper()
			p.locked(func() {
				if got := p.Remove(n); got != want {
					t.Errorf("Remove(%s) = %t, want %t", n.Name(), got, want)
				}
			})
		}
		h := p.handler(p.stack, "handler", p.takes(0), tree.Limits{})
		remove(h, true)
		remove(h, false)
		remove(p.runs(p.stack, tree.Task, "task", obeys, tree.Limits{}), false)
		slow := p.handler(p.stack, "slow", p.takes(s), tree.Limits{})
		done := p.begin(20 * s)
		synctest.Wait()
		remove(slow, false)
		<-done
		remove(slow, false)
		wantLines(t, "ended", p.ended, "slow ok at 1s", "task ok at 1s")
	})
}

// The caller of Release closes a detached scope. It has no time from the program, and no plan.
func TestADetachedScope(t *testing.T) {
	inBubble(t, func(p *program) {
		sc := p.scope(p.stack, "scope", false, tree.Limits{})
		p.build(p.scope(sc, "in", false, tree.Limits{}), hangs("a1"), hangs("a2"))
		p.handler(p.stack, "b", func(context.Context) error {
			p.sleep(s)
			for _, want := range []bool{true, false} {
				p.locked(func() {
					if got := p.Detach(sc); got != want {
						t.Errorf("Detach = %t, want %t", got, want)
					}
				})
			}
			return nil
		}, tree.Limits{})
		p.handler(p.stack, "c", p.takes(0), tree.Limits{})
		p.stop(2 * s) // the floor is 250 ms, and not a second as below
		p.locked(p.ResetLimits)
		time.Sleep(s)
		if err := p.close(context.Background(), sc, 8*s); err != nil {
			t.Error(err)
		}
		wantLines(t, "begun", p.begun,
			"c 0s 1.1875s 1.25s", "b 0s 1.425s 1.5s", "a2 2s 8.65s 9s", "a1 9s 9.95s 10s")
	})
}

// A detached scope is closed during the drain, and is still being closed when the drain is over. Its
// limit, the end of the grace period, does not become later then.
func TestADetachedScopeThatOutlivesTheDrain(t *testing.T) {
	inBubble(t, func(p *program) {
		sc := p.scope(p.stack, "scope", false, tree.Limits{})
		p.build(sc, hangs("a1"), hangs("a2"), hangs("a3"))
		p.locked(func() { p.Detach(sc) })
		p.after(s, func() { _ = p.close(context.Background(), sc, tree.Never) })
		p.handler(p.stack, "b", p.takes(2*s), tree.Limits{})
		p.stop(10 * s)
		p.locked(p.ResetLimits)
		time.Sleep(p.grace)
		synctest.Wait()
		wantLines(t, "begun", p.begun,
			"b 0s 9.5s 10s", "a3 1s 7.65s 8s", "a2 8s 8.95s 9s", "a1 9s 9.95s 10s")
	})
}

func TestWhoIsWaitedFor(t *testing.T) {
	inBubble(t, func(p *program) {
		closed := hangs("closed")
		p.build(p.stack, closed)
		p.handler(p.stack, "closer", func(ctx context.Context) error { return p.close(ctx, closed.node, tree.Never) }, tree.Limits{})
		p.runs(p.body, tree.Hold, "hold", p.takes(3*s), tree.Limits{})
		p.mainRuns("group", false, takes(2*s, "x"), takes(s, "y"))
		want := func(names ...string) {
			t.Helper()
			synctest.Wait()
			var got []string
			p.locked(func() { p.Waiting(false, func(n *tree.Node) { got = append(got, n.Name()) }) })
			slices.Sort(got)
			if !slices.Equal(got, names) {
				t.Errorf("%v is waited for, want %v", got, names)
			}
		}
		want()
		done := p.begin(20 * s)
		want("hold", "y")
		time.Sleep(s)
		want("hold", "x")
		time.Sleep(2 * s)
		want("closed")
		<-done
		want()
	})
}
