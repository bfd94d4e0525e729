package tree_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// closeFor closes n within the given time, and returns the failed steps.
func (p *program) closeFor(n *tree.Node, most time.Duration) (failed []string, err error) {
	steps, err := p.Close(n, tree.CloseOptions{Limit: tree.Sum(p.Now(), most)})
	for _, n := range steps {
		failed = append(failed, n.Name()+": "+tree.Text(n.Err))
	}
	return failed, err
}

func TestACloserHasTheErrors(t *testing.T) {
	inBubble(t, func(p *program) {
		sc := p.scope(p.stack, "scope", false, tree.Limits{})
		in := p.scope(sc, "in", true, tree.Limits{})
		fails := func(context.Context) error { p.sleep(s); return errors.New("broken") }
		p.handler(sc, "a", fails, tree.Limits{})
		p.handler(in, "b", fails, tree.Limits{})
		p.handler(sc, "c", p.takes(0), tree.Limits{})
		p.handler(sc, "d", p.takes(forever), tree.Limits{Timeout: s})
		var second []string
		p.after(s/2, func() { second, _ = p.closeFor(sc, time.Hour) })
		failed, err := p.closeFor(sc, time.Hour)
		if err != nil {
			t.Error(err)
		}
		synctest.Wait()
		wantLines(t, "the first has", failed, "d: d: stuck for 1s", "a: broken", "b: broken")
		wantLines(t, "the second, which came while it ran, has", second)
		third, err := p.closeFor(sc, time.Hour)
		wantLines(t, "one that comes later has", third)
		if err != nil {
			t.Error(err)
		}
	})
}

// The error of a step goes to the innermost caller that has begun to stop it, and to nobody else.
func TestNestedClosersShareNoErrors(t *testing.T) {
	for _, tt := range []struct {
		name         string
		first        string // the scope that is closed first
		outer, inner []string
	}{
		{"the inner scope is closed first", "in", nil, []string{"b: broken"}},
		{"the outer scope is closed first", "scope", []string{"b: broken"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				sc := p.scope(p.stack, "scope", false, tree.Limits{})
				in := p.scope(sc, "in", false, tree.Limits{})
				p.handler(in, "b", func(context.Context) error { p.sleep(2 * s); return errors.New("broken") }, tree.Limits{})
				scopes := map[string]*tree.Node{"in": in, "scope": sc}
				failed := make(map[string][]string)
				for name, n := range scopes {
					after := s
					if name == tt.first {
						after = 0
					}
					p.after(after, func() {
						names, _ := p.closeFor(n, time.Hour)
						p.locked(func() { failed[name] = names })
					})
				}
				time.Sleep(3 * s)
				synctest.Wait()
				p.locked(func() {
					wantLines(t, "the outer closer has", failed["scope"], tt.outer...)
					wantLines(t, "the inner closer has", failed["in"], tt.inner...)
				})
			})
		})
	}
}

// A caller of StopTask that gives up before its limit ends the work context of the task.
func TestACallerThatGivesUpEndsTheWorkContext(t *testing.T) {
	inBubble(t, func(p *program) {
		n := p.runs(p.stack, tree.Task, "task", p.takes(5*s), tree.Limits{})
		ctx, cancel := context.WithTimeout(context.Background(), 2*s)
		defer cancel()
		over, err := p.stopTask(n, tree.Never, ctx)
		if over || err != nil || p.since() != 2*s {
			t.Errorf("over %t, %v, at %v; want false, nil, at 2s", over, err, p.since())
		}
		if n.WorkContext().Err() == nil {
			t.Error("the work context of the task is still alive")
		}
		p.stop(20 * s)
	})
}

func TestACloserThatJoinsTheProgramsStopHasNoErrors(t *testing.T) {
	inBubble(t, func(p *program) {
		h := p.handler(p.stack, "h", func(context.Context) error { p.sleep(s); return errors.New("broken") }, tree.Limits{})
		done := p.begin(20 * s)
		failed, err := p.closeFor(h, time.Hour)
		if at := p.since(); err != nil || at != s {
			t.Errorf("it returned %v at %v, want nil at 1 s", err, at)
		}
		wantLines(t, "it has", failed)
		<-done
	})
}

func TestASecondCloserBringsTheLimitForward(t *testing.T) {
	inBubble(t, func(p *program) {
		sc := scopeOf("scope", hangs("a"), hangs("b"))
		p.build(p.stack, sc)
		p.after(0, func() { _, _ = p.closeFor(sc.node, 20*s) })
		time.Sleep(s)
		_, _ = p.closeFor(sc.node, 6*s)
		wantLines(t, "ended", p.ended, "b abandoned at 6s", "a abandoned at 7s")
	})
}

func TestACloseWithoutTimeIsLeftToTheDrain(t *testing.T) {
	inBubble(t, func(p *program) {
		a := takes(0, "a")
		p.build(p.stack, a)
		p.handler(p.stack, "late", func(ctx context.Context) error {
			<-ctx.Done()
			p.sleep(p.root.End) // there is some time left, but less than to its end
			return nil
		}, tree.Limits{})
		var err error
		p.handler(p.stack, "b", func(context.Context) error {
			_, err = p.closeFor(a.node, 0)
			return nil
		}, tree.Limits{})
		p.stop(20 * s)
		if err != tree.ErrNoTime {
			t.Errorf("Close = %v, want ErrNoTime", err)
		}
		if a.node.Outcome != tree.OK || !a.node.Started() {
			t.Errorf("a: %v, started %t; want that it has had its turn", outcome(a.node.Outcome), a.node.Started())
		}
	})
}

// A scope that is closed early after a second signal has its minimum by the closer's plan.
func TestACloseAfterASecondSignal(t *testing.T) {
	inBubble(t, func(p *program) {
		a := hangs("a")
		p.build(p.stack, a)
		p.handler(p.stack, "b", p.takes(forever), tree.Limits{Reserve: 8 * s})
		p.after(s, func() {
			p.locked(func() { p.Force(errors.New("second signal")) })
			_, _ = p.closeFor(a.node, 10*s)
		})
		p.stop(20 * s)
		wantLines(t, "ended", p.ended, "a abandoned at 2s", "b abandoned at 9s")
	})
}

// Before the program's stop n will have its turn as well.
func TestACloseWithoutTimeBeforeTheStop(t *testing.T) {
	inBubble(t, func(p *program) {
		h := p.handler(p.stack, "h", p.takes(0), tree.Limits{})
		task := p.runs(p.stack, tree.Task, "task", func(ctx context.Context) error { <-ctx.Done(); return nil }, tree.Limits{})
		for _, n := range []*tree.Node{h, task} {
			if _, err := p.closeFor(n, 0); err != tree.ErrNoTime {
				t.Errorf("Close = %v, want ErrNoTime", err)
			}
		}
		synctest.Wait()
		wantLines(t, "ended", p.ended)
		p.stop(s)
		wantLines(t, "ended", p.ended, "task ok at 0s", "h ok at 0s")
	})
}

// A task whose closer has given up stays a member of its list: its work context has ended, and its
// turn is still to come.
func TestAStepThatStays(t *testing.T) {
	for _, tt := range []struct {
		name  string
		f     func(p *program) tree.Func
		over  bool
		work  time.Duration // when the work context ends
		ended []string
	}{
		{"obeys", func(*program) tree.Func { return obeys }, true, 0, []string{"task ok at 0s", "other ok at 10s"}},
		{"finishes its work", func(*program) tree.Func {
			return func(ctx context.Context) error { <-tree.From(ctx).Work(ctx).Done(); return nil }
		}, true, 3800 * ms, []string{"task ok at 3.8s", "other ok at 10s"}},
		{"hangs", func(p *program) tree.Func { return p.takes(forever) }, false, 3800 * ms, []string{"task abandoned at 29s", "other ok at 29s"}},
		{"returns later, before its turn", func(p *program) tree.Func { return p.takes(7 * s) }, false, 3800 * ms, []string{"task ok at 7s", "other ok at 10s"}},
		{"returns in its turn", func(p *program) tree.Func { return p.takes(12 * s) }, false, 3800 * ms, []string{"task ok at 12s", "other ok at 12s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				p.runs(p.stack, tree.Task, "other", obeys, tree.Limits{})
				var work atomic.Int64
				n := newStep(tree.Task, "task", func(ctx context.Context) error {
					context.AfterFunc(tree.From(ctx).Work(ctx), func() { work.Store(int64(p.since())) })
					return tt.f(p)(ctx)
				}, tree.Limits{})
				p.run(p.stack, n)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(context.Background(), 4*s)
				defer cancel()
				over, err := p.stopTask(n, p.Now()+4*s, ctx)
				synctest.Wait()
				if at := time.Duration(work.Load()); err != nil || over != tt.over || at != tt.work {
					t.Errorf("over %t, %v, the work context ended at %v; want %t, nil, %v", over, err, at, tt.over, tt.work)
				}
				p.locked(func() {
					if n.Over() != tt.over || n.Stopping() || !n.WasTold() {
						t.Errorf("over %t, stopping %t, told %t", n.Over(), n.Stopping(), n.WasTold())
					}
				})
				time.Sleep(10*s - p.since())
				p.stop(20 * s)
				wantLines(t, "ended", p.ended, tt.ended...)
				p.wantIdle()
			})
		})
	}
}

// The limit of a closer also applies to groups that the step runs.
func TestTheLimitOfACloserReachesTheGroupsWithin(t *testing.T) {
	inBubble(t, func(p *program) {
		var g *tree.Node
		outer := p.runs(p.stack, tree.Task, "outer", func(ctx context.Context) error {
			<-ctx.Done()
			p.stopGroup(g, tree.Never)
			return nil
		}, tree.Limits{})
		g = p.group(outer, "group", false)
		p.runs(g, tree.Task, "inner", func(ctx context.Context) error {
			<-tree.From(ctx).Work(ctx).Done()
			return nil
		}, tree.Limits{})
		ctx, cancel := context.WithTimeout(context.Background(), 300*ms)
		defer cancel()
		over, err := p.stopTask(outer, p.Now()+300*ms, ctx)
		if at := p.since(); err != nil || !over || at >= 300*ms || at < 200*ms {
			t.Errorf("over %t, %v, at %v; want over, a little before 300 ms", over, err, at)
		}
		p.stop(s)
	})
}

// A scope that a step closes without waiting goes on when the step is over. It is bounded by Grace
// and by the nodes around the step.
func TestAScopeWhoseCloserIsOver(t *testing.T) {
	inBubble(t, func(p *program) {
		p.grace = 7 * s
		sc := scopeOf("scope", hangs("a"), hangs("b"))
		p.build(p.stack, sc)
		p.handler(p.stack, "closer", func(ctx context.Context) error {
			go func() { _ = p.close(ctx, sc.node, tree.Never) }()
			p.sleep(s)
			return nil
		}, tree.Limits{})
		p.stop(20 * s)
		wantLines(t, "ended", p.ended, "closer ok at 1s", "b abandoned at 7s", "a abandoned at 8s")
	})
}

// A step is not abandoned before the nodes that it waits for.
func TestAScopeThatAnAbandonedStepCloses(t *testing.T) {
	inBubble(t, func(p *program) {
		a := hangs("a")
		p.build(p.stack, a)
		closer := p.runs(p.stack, tree.Task, "closer", func(ctx context.Context) error {
			go func() { _ = p.close(ctx, a.node, tree.Never) }()
			p.sleep(forever)
			return nil
		}, tree.Limits{})
		time.Sleep(s)
		_, _ = p.closeFor(closer, s)
		wantLines(t, "ended", p.ended, "a abandoned at 1.95s", "closer abandoned at 2s")
	})
}
