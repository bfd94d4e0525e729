package tree_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

func TestMargin(t *testing.T) {
	for _, tt := range []struct{ budget, want time.Duration }{
		{0, 0},
		{1, 0},
		{40 * ms, 20 * ms},
		{50 * ms, 25 * ms},
		{500 * ms, 25 * ms},
		{2 * s, 100 * ms},
		{10 * s, 500 * ms},
		{time.Hour, 500 * ms},
		{math.MaxInt64, 500 * ms},
	} {
		if got := tree.Margin(tt.budget); got != tt.want {
			t.Errorf("Margin(%v) = %v, want %v", tt.budget, got, tt.want)
		}
		if got := tree.Budget(tt.budget - tt.want); got.Round(ms) != tt.budget.Round(ms) {
			t.Errorf("Budget(%v) = %v, want %v", tt.budget-tt.want, got, tt.budget)
		}
	}
}

func TestTheFloorOfAPlan(t *testing.T) {
	for _, tt := range []struct {
		left time.Duration
		n    int
		want time.Duration
	}{
		{25 * s, 1, s},
		{25 * s, 12, s},
		{25 * s, 25, s / 2},
		{25 * s, 0, s},
		{1, 1000, 1}, // at least a nanosecond
		{0, 1, 1},
		{-s, 1, 1},
		{math.MaxInt64, 1, s},
	} {
		if got := tree.PlanFloor(tt.left, tt.n); got != tt.want {
			t.Errorf("the floor of %v for %d steps is %v, want %v", tt.left, tt.n, got, tt.want)
		}
	}
}

func TestSum(t *testing.T) {
	for _, tt := range []struct{ a, b, want time.Duration }{
		{0, 0, 0},
		{s, ms, s + ms},
		{tree.Never, 0, tree.Never},
		{tree.Never, 1, tree.Never},
		{tree.Never, tree.Never, tree.Never},
		{tree.Never - s, s, tree.Never},
		{tree.Never - s, s + 1, tree.Never},
	} {
		if got := tree.Sum(tt.a, tt.b); got != tt.want {
			t.Errorf("Sum(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestBudgets has the formula in package shutdown's documentation as examples. Each line is a step
// with the instants of its start, its deadline and its end, counted from the request to stop.
func TestBudgets(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grace time.Duration
		steps []*spec
		want  []string
	}{
		{
			"one step has all, less the margin", 20 * s,
			[]*spec{hangs("a")},
			[]string{"a 0s 19.5s 20s"},
		},
		{
			"each has its floor, whatever the steps before it do", 20 * s,
			[]*spec{hangs("a"), hangs("b"), hangs("c")},
			[]string{"c 0s 17.5s 18s", "b 18s 18.95s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a step leaves its unused time to the next", 20 * s,
			[]*spec{hangs("a"), takes(s, "b"), takes(2*s, "c")},
			[]string{"c 0s 17.5s 18s", "b 2s 18.5s 19s", "a 3s 19.5s 20s"},
		},
		{
			"the floors are half of the time left, if that is less than a second each", 5 * s,
			[]*spec{hangs("a"), hangs("b"), hangs("c"), hangs("d"), hangs("e")},
			[]string{"e 0s 2.85s 3s", "d 3s 3.475s 3.5s", "c 3.5s 3.975s 4s", "b 4s 4.475s 4.5s", "a 4.5s 4.975s 5s"},
		},
		{
			"the margin is at most half of the budget", 40 * ms,
			[]*spec{hangs("a")},
			[]string{"a 0s 20ms 40ms"},
		},
		{
			"a reserve is kept back", 20 * s,
			[]*spec{hangs("a").reserve(5 * s), hangs("b")},
			[]string{"b 0s 14.5s 15s", "a 15s 19.75s 20s"},
		},
		{
			"a reserve below the floor changes nothing", 20 * s,
			[]*spec{hangs("a").reserve(ms), hangs("b")},
			[]string{"b 0s 18.5s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a timeout caps a budget", 20 * s,
			[]*spec{hangs("a"), hangs("b").timeout(2 * s)},
			[]string{"b 0s 1.9s 2s", "a 2s 19.5s 20s"},
		},
		{
			"a timeout caps a minimum", 20 * s,
			[]*spec{hangs("a").timeout(100 * ms), hangs("b")},
			[]string{"b 0s 19.4s 19.9s", "a 19.9s 19.975s 20s"},
		},
		{
			"a timeout caps a reserve", 20 * s,
			[]*spec{hangs("a").reserve(3 * s).timeout(2 * s), hangs("b")},
			[]string{"b 0s 17.5s 18s", "a 18s 19.9s 20s"},
		},
		{
			"minimums of 9/10 of the time left are kept", 10 * s,
			[]*spec{hangs("a").reserve(5 * s), hangs("b").reserve(4 * s)},
			[]string{"b 0s 4.75s 5s", "a 5s 9.75s 10s"},
		},
		{
			"more than that is reduced to it, and the step that begins has the rest", 10 * s,
			[]*spec{hangs("a").reserve(10 * s), hangs("b").reserve(8 * s)},
			[]string{"b 0s 4.75s 5s", "a 5s 9.75s 10s"},
		},
		{
			"a step that has more than its scaled minimum leaves the others theirs", 10 * s,
			[]*spec{hangs("a").reserve(6 * s), takes(2*s, "b").reserve(12 * s)},
			[]string{"b 0s 6.65s 7s", "a 2s 9.6s 10s"},
		},
		{
			"no time is left", 0,
			[]*spec{hangs("a"), hangs("b")},
			nil,
		},
		{
			"reserves of centuries leave time for all", 10 * s,
			[]*spec{hangs("a").reserve(math.MaxInt64), hangs("b").reserve(math.MaxInt64)},
			[]string{"b 0s 5.225s 5.5s", "a 5.5s 9.775s 10s"},
		},
		{
			"reserves of centuries are scaled like others in a scope without the time for them", 20 * s,
			[]*spec{scopeOf("s", hangs("a").reserve(math.MaxInt64), hangs("b").reserve(math.MaxInt64)).timeout(2 * s)},
			[]string{"b 0s 950ms 1s", "a 1s 1.95s 2s"},
		},
		{
			"timeouts of centuries limit nothing", 10 * s,
			[]*spec{hangs("a").timeout(math.MaxInt64)},
			[]string{"a 0s 9.5s 10s"},
		},
		{
			"a sequential scope is the sum of its handlers", 20 * s,
			[]*spec{hangs("a"), scopeOf("s", hangs("x"), hangs("y")), hangs("b")},
			[]string{"b 0s 16.5s 17s", "y 17s 17.95s 18s", "x 18s 18.95s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a concurrent scope is the largest of its handlers, and they begin at the same instant", 20 * s,
			[]*spec{hangs("a"), concurrentlyOf("s", hangs("x").reserve(2*s), hangs("y").reserve(5*s)), hangs("b")},
			[]string{"b 0s 13.5s 14s", "y 14s 18.75s 19s", "x 14s 18.75s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a concurrent scope counts as its longest chain", 6 * s,
			[]*spec{concurrentlyOf("s", scopeOf("in", hangs("x"), hangs("y"), hangs("z")), hangs("w")), takes(0, "b"), takes(0, "c"), takes(0, "d"), takes(0, "e"), takes(0, "f"), takes(0, "g"), takes(0, "h"), takes(0, "i"), takes(0, "j")},
			// 12 steps one after the other: the floor is 250 ms.
			[]string{
				"j 0s 3.0875s 3.25s", "i 0s 3.325s 3.5s", "h 0s 3.5625s 3.75s", "g 0s 3.8s 4s", "f 0s 4.0375s 4.25s",
				"e 0s 4.275s 4.5s", "d 0s 4.5125s 4.75s", "c 0s 4.75s 5s", "b 0s 4.9875s 5.25s",
				"w 0s 5.7s 6s", "z 0s 5.225s 5.5s", "y 5.5s 5.725s 5.75s", "x 5.75s 5.975s 6s",
			},
		},
		{
			"a scope's timeout is for all of it", 20 * s,
			[]*spec{hangs("a"), scopeOf("s", hangs("x"), hangs("y")).timeout(4 * s)},
			[]string{"y 0s 2.85s 3s", "x 3s 3.95s 4s", "a 4s 19.5s 20s"},
		},
		{
			"a scope's timeout below its minimums scales them", 20 * s,
			[]*spec{hangs("a"), scopeOf("s", hangs("x").reserve(6*s), hangs("y").reserve(2*s)).timeout(4 * s)},
			[]string{"y 0s 950ms 1s", "x 1s 3.85s 4s", "a 4s 19.5s 20s"},
		},
		{
			"a scope's reserve is for all of it", 20 * s,
			[]*spec{scopeOf("s", hangs("x"), hangs("y")).reserve(6 * s), hangs("b")},
			[]string{"b 0s 13.5s 14s", "y 14s 18.75s 19s", "x 19s 19.95s 20s"},
		},
		{
			"an empty scope takes nothing", 20 * s,
			[]*spec{hangs("a"), scopeOf("s"), concurrentlyOf("c"), hangs("b")},
			[]string{"b 0s 18.5s 19s", "a 19s 19.95s 20s"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				p.build(p.stack, tt.steps...)
				p.stop(tt.grace)
				wantLines(t, "begun", p.begun, tt.want...)
				if at := p.since(); at > tt.grace {
					t.Errorf("over at %v of %v", at, tt.grace)
				}
			})
		})
	}
}

// TestBudgetsThatChange has the rest of the rule: changes while the program stops.
func TestBudgetsThatChange(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(p *program)
		want []string
	}{
		{
			"after a second signal each step has just its minimum, from then or from its start",
			func(p *program) {
				p.build(p.stack, hangs("a").reserve(2*s), hangs("b"), hangs("c"))
				p.after(3*s, func() { p.locked(func() { p.Force(errors.New("again")) }) })
				p.stop(20 * s)
			},
			[]string{"c 0s 16.5s 17s", "b 4s 4.95s 5s", "a 5s 6.9s 7s"},
		},
		{
			"a second signal does not give a step more than it had",
			func(p *program) {
				p.build(p.stack, hangs("a"), hangs("b").timeout(500*ms))
				p.after(400*ms, func() { p.locked(func() { p.Force(errors.New("again")) }) })
				p.stop(20 * s)
			},
			[]string{"b 0s 475ms 500ms", "a 500ms 1.45s 1.5s"},
		},
		{
			"after a second signal scaled minimums stay scaled",
			func(p *program) {
				p.build(p.stack, hangs("a").reserve(10*s), takes(s, "b").reserve(8*s))
				p.after(s/2, func() { p.locked(func() { p.Force(errors.New("again")) }) })
				p.stop(10 * s)
			},
			[]string{"b 0s 4.75s 5s", "a 1s 5.75s 6s"},
		},
		{
			"after a second signal a step that is being closed has the minimum of that plan",
			func(p *program) {
				h := p.handler(p.stack, "h", p.takes(forever), tree.Limits{})
				p.after(100*ms, func() { p.locked(func() { p.Force(errors.New("again")) }) })
				_, _ = p.closeFor(h, s) // for one step the floor is half a second
				p.handler(p.stack, "next", p.takes(0), tree.Limits{})
				p.stop(20 * s)
			},
			[]string{"h 0s 950ms 1s", "next 600ms 1.55s 1.6s"},
		},
		{
			"a limit that comes forward leaves a step that has had its minimum 50 ms to obey, scaled as all minimums",
			func(p *program) {
				p.build(p.stack, hangs("a"), hangs("b"))
				p.after(5*s, func() { p.locked(func() { p.LimitAll(p.Now() + 840*ms) }) })
				p.stop(20 * s)
			},
			[]string{"b 0s 18.5s 19s", "a 5.04s 5.8s 5.84s"}, // 840 ms for minimums of 50 ms and a second
		},
		{
			"a handler that is registered late is the next, and has its minimum",
			func(p *program) {
				b := takes(2*s, "b")
				b.does = func(context.Context) error { p.build(p.stack, hangs("late")); return nil }
				p.build(p.stack, hangs("a"), b)
				p.stop(20 * s)
			},
			[]string{"b 0s 18.5s 19s", "late 2s 18.5s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a late reserve reduces the minimums of all steps to come",
			func(p *program) {
				b := takes(0, "b")
				b.does = func(context.Context) error {
					p.sleep(2 * s)
					p.build(p.stack, hangs("late").reserve(34*s))
					return nil
				}
				p.build(p.stack, hangs("a").reserve(2*s), b)
				p.stop(22 * s)
			},
			[]string{"b 0s 19.5s 20s", "late 2s 20.5s 21s", "a 21s 21.95s 22s"},
		},
		{
			"a handler that is unregistered leaves its minimum to the others",
			func(p *program) {
				p.build(p.stack, hangs("a"), hangs("b"), takes(s, "c"))
				a := p.handler(p.stack, "taken back", nil, tree.Limits{Reserve: 5 * s})
				p.locked(func() {
					if !p.Remove(a) {
						p.t.Error("it is not taken back")
					}
				})
				p.stop(20 * s)
			},
			[]string{"c 0s 17.5s 18s", "b 1s 18.5s 19s", "a 19s 19.95s 20s"},
		},
		{
			"late in a concurrent scope: at once",
			func(p *program) {
				sc := concurrentlyOf("s", takes(4*s, "x"))
				p.build(p.stack, takes(s, "a"), sc)
				p.after(s, func() { p.build(sc.node, hangs("late").timeout(2*s)) })
				p.stop(20 * s)
			},
			[]string{"x 0s 18.5s 19s", "late 1s 2.9s 3s", "a 4s 19.5s 20s"},
		},
		{
			"a late scope in a concurrent one has its turn when the running handlers are over",
			func(p *program) {
				sc := concurrentlyOf("s", takes(4*s, "x"), takes(2*s, "y"))
				p.build(p.stack, takes(s, "a"), sc)
				p.after(s, func() { p.build(sc.node, scopeOf("late", takes(s, "z"))) })
				p.stop(20 * s)
			},
			[]string{"y 0s 18.5s 19s", "x 0s 18.5s 19s", "z 4s 18.5s 19s", "a 5s 19.5s 20s"},
		},
		{
			"an unregistered handler of a late scope in a concurrent one has no minimum",
			func(p *program) {
				c := concurrentlyOf("c", hangs("x"))
				p.build(p.stack, hangs("a"), c)
				p.after(s, func() {
					h := p.handler(p.scope(c.node, "late", false, tree.Limits{}), "h", nil, tree.Limits{Reserve: 12 * s})
					p.locked(func() { p.Remove(h) })
					p.locked(func() { p.LimitAll(p.Now() + 9*s) })
				})
				p.stop(20 * s)
			},
			[]string{"x 0s 18.5s 19s", "a 9s 9.95s 10s"},
		},
		{
			"main and its holds share a budget, and the handlers have their minimums after it",
			func(p *program) {
				p.runs(p.body, tree.Main, "main", p.takes(forever), tree.Limits{})
				p.runs(p.body, tree.Hold, "hold", p.takes(forever), tree.Limits{})
				p.build(p.stack, hangs("a"), hangs("b"))
				p.stop(20 * s)
			},
			[]string{"main 0s 17.5s 18s", "hold 0s 17.5s 18s", "b 18s 18.95s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a task that was started has its turn like a handler",
			func(p *program) {
				p.build(p.stack, hangs("a"))
				p.runs(p.stack, tree.Task, "task", obeys, tree.Limits{})
				p.build(p.stack, takes(s, "b"))
				p.stop(20 * s)
			},
			[]string{"b 0s 17.5s 18s", "task 1s 18.5s 19s", "a 1s 19.5s 20s"},
		},
		{
			"a group's tasks share the budget of the step that runs it, up to its deadline",
			func(p *program) {
				p.build(p.stack, hangs("a"))
				p.mainRuns("g", false, hangs("x"), hangs("y"))
				p.stop(20 * s)
			},
			[]string{"main 0s 18.5s 19s", "y 0s 17s 17.5s", "x 17.5s 18.45s 18.5s", "a 18.5s 19.925s 20s"},
		},
		{
			"the tasks of a concurrent group begin to stop at the same instant",
			func(p *program) {
				p.build(p.stack, hangs("a"))
				p.mainRuns("g", true, hangs("x"), hangs("y").timeout(2*s))
				p.stop(20 * s)
			},
			[]string{"main 0s 18.5s 19s", "y 0s 1.9s 2s", "x 0s 18s 18.5s", "a 18.5s 19.925s 20s"},
		},
		{
			"a group that stops before the step that runs it is bounded when that stops, too",
			func(p *program) {
				g := p.group(p.runs(p.body, tree.Main, "main", p.takes(forever), tree.Limits{}), "g", false)
				p.runs(g, tree.Task, "x", p.takes(forever), tree.Limits{})
				p.runs(g, tree.Task, "y", p.takes(forever), tree.Limits{})
				p.after(0, func() { p.stopGroup(g, time.Hour) })
				synctest.Wait()
				time.Sleep(5 * s)
				p.stop(10 * s) // main's deadline is at 14.5 s: y has to leave x its minimum of a second
			},
			[]string{"y 0s 59m58.5s 59m59s", "main 5s 14.5s 15s", "x 13.5s 14.45s 14.5s"},
		},
		{
			"closed early from outside a scope has the time of its closer",
			func(p *program) {
				sc := scopeOf("s", hangs("x"), hangs("y"))
				p.build(p.stack, hangs("a"), sc)
				_ = p.close(context.Background(), sc.node, 4*s)
				p.stop(20 * s)
			},
			[]string{"y 0s 2.85s 3s", "x 3s 3.95s 4s", "a 4s 23.5s 24s"},
		},
		{
			"closed early by a step it ends by the step's deadline, and the step need not keep its minimum",
			func(p *program) {
				a, c := hangs("a"), takes(0, "c")
				c.does = func(ctx context.Context) error { return p.close(ctx, a.node, tree.Never) }
				p.build(p.stack, a, hangs("b"), c)
				p.stop(20 * s)
			},
			[]string{"c 0s 17.5s 18s", "a 0s 17s 17.5s", "b 17.5s 19.875s 20s"},
		},
		{
			"closed early by a step that stops beside it, it keeps its minimum in its list",
			func(p *program) {
				l1, closer := hangs("l1"), takes(0, "closer")
				closer.does = func(ctx context.Context) error { return p.close(ctx, l1.node, tree.Never) }
				left := scopeOf("left", hangs("m2"), l1, hangs("m1"), takes(s, "l2"))
				p.build(p.stack, hangs("a"), concurrentlyOf("c", left, scopeOf("right", closer)))
				p.stop(20 * s)
			},
			[]string{"closer 0s 18.5s 19s", "l2 0s 15.5s 16s", "l1 0s 18s 18.5s", "m1 1s 16.5s 17s", "m2 18s 18.95s 19s", "a 19s 19.95s 20s"},
		},
		{
			"closed early by a step that stops beside it, but has begun after it, too",
			func(p *program) {
				l1, closer := hangs("l1"), takes(0, "closer")
				closer.does = func(ctx context.Context) error { return p.close(ctx, l1.node, tree.Never) }
				left := scopeOf("left", hangs("m2"), l1, hangs("m1"), takes(s, "l2"))
				p.build(p.stack, hangs("a"), concurrentlyOf("c", scopeOf("right", closer), left))
				p.stop(20 * s)
			},
			[]string{"l2 0s 15.5s 16s", "closer 0s 18.5s 19s", "l1 0s 18s 18.5s", "m1 1s 16.5s 17s", "m2 18s 18.95s 19s", "a 19s 19.95s 20s"},
		},
		{
			"a scope that is closed early counts in the plan with the step of it that runs",
			func(p *program) {
				sc := scopeOf("s", hangs("a"), hangs("b"))
				p.build(p.stack, sc, hangs("h"))
				p.after(0, func() { _ = p.close(context.Background(), sc.node, 24*s) })
				synctest.Wait()
				p.stop(10 * s)
			},
			[]string{"b 0s 22.5s 23s", "h 0s 7.6s 8s", "a 9s 9.95s 10s"},
		},
		{
			"and with a handler that is registered on it later",
			func(p *program) {
				sc := scopeOf("s", hangs("a"), hangs("b"))
				p.build(p.stack, sc, hangs("g"), takes(2*s, "h"))
				p.after(0, func() { _ = p.close(context.Background(), sc.node, 24*s) })
				synctest.Wait()
				p.after(s, func() { p.build(sc.node, hangs("late").reserve(4*s)) })
				p.stop(10 * s)
			},
			[]string{"b 0s 22.5s 23s", "h 0s 6.65s 7s", "g 2s 3.9s 4s", "late 5s 8.8s 9s", "a 9s 9.95s 10s"},
		},
		{
			"closed early by a task that stops later, it keeps its minimum",
			func(p *program) {
				h := newStep(tree.Handler, "h", p.takes(forever), tree.Limits{})
				p.build(p.stack, hangs("a"))
				p.runs(p.stack, tree.Task, "t", func(ctx context.Context) error {
					p.sleep(s / 2)
					_ = p.close(ctx, h, tree.Never)
					return obeys(ctx)
				}, tree.Limits{})
				p.add(p.stack, h)
				p.build(p.stack, hangs("m"), takes(s, "b"))
				p.stop(20 * s)
			},
			[]string{"b 0s 15.5s 16s", "h 500ms 19.5s 20s", "m 1s 16.5s 17s", "t 18s 18.95s 19s", "a 18s 19.9s 20s"},
		},
		{
			"closed early by a task that stops after the scope that it is in, it keeps its minimum",
			func(p *program) {
				h := newStep(tree.Handler, "h", p.takes(forever), tree.Limits{})
				p.build(p.stack, hangs("a"))
				p.runs(p.stack, tree.Task, "t", func(ctx context.Context) error {
					p.sleep(s / 2)
					_ = p.close(ctx, h, tree.Never)
					return obeys(ctx)
				}, tree.Limits{})
				sc := p.scope(p.stack, "s", false, tree.Limits{})
				p.add(sc, h)
				p.build(sc, hangs("m"), takes(s, "b"))
				p.stop(20 * s)
			},
			[]string{"b 0s 15.5s 16s", "h 500ms 17.5s 18s", "m 1s 16.5s 17s", "t 18s 18.95s 19s", "a 18s 19.9s 20s"},
		},
		{
			"closed early before the stop, it is bounded by the lists around it when its turn comes",
			func(p *program) {
				a := hangs("a")
				p.build(p.stack, a, takes(2*s, "b"))
				p.after(0, func() { _ = p.close(context.Background(), a.node, 24*s) })
				synctest.Wait()
				p.stop(10 * s)
			},
			[]string{"a 0s 23.5s 24s", "b 0s 8.55s 9s"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				tt.play(p)
				wantLines(t, "begun", p.begun, tt.want...)
			})
		})
	}
}

// mainRuns adds a main that runs a group until it is told to stop.
func (p *program) mainRuns(name string, concurrent bool, tasks ...*spec) {
	var g *tree.Node
	main := p.runs(p.body, tree.Main, "main", func(ctx context.Context) error {
		<-ctx.Done()
		p.stopGroup(g, tree.Never)
		return nil
	}, tree.Limits{})
	g = p.group(main, name, concurrent)
	for _, sp := range tasks {
		p.runs(g, tree.Task, sp.name, func(ctx context.Context) error {
			<-ctx.Done()
			p.sleep(sp.takes)
			return nil
		}, sp.limits)
	}
}
