package tree_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// ways are the ways in which a step can return, or not return.
var ways = []struct {
	name string
	does func(p *program) error
	want outcome
	err  string // the text of its error, without the stack
}{
	{"returns", func(*program) error { return nil }, outcome(tree.OK), ""},
	{"fails", func(*program) error { return errors.New("broken") }, outcome(tree.Failed), "broken"},
	{"panics", func(*program) error { panic("broken") }, outcome(tree.Panicked), "panic: broken"},
	{"panics with nil", func(*program) error { panic(nil) }, outcome(tree.Panicked), "panic: panic called with nil argument"},
	{"calls Goexit", func(*program) error { runtime.Goexit(); return nil }, outcome(tree.Goexited), "Goexit"},
	{"panics in a deferred function of a Goexit", func(*program) error {
		defer func() { panic("broken") }()
		runtime.Goexit()
		return nil
	}, outcome(tree.Panicked), "panic: broken"},
	{"recovers in a deferred function of a Goexit", func(*program) error {
		defer func() {
			defer func() { _ = recover() }()
			panic("broken")
		}()
		runtime.Goexit()
		return nil
	}, outcome(tree.Goexited), "Goexit"},
	{"leaves, as by Exit", func(*program) error { tree.Leave(); return nil }, outcome(tree.OK), ""},
	{"leaves in a deferred function of a Goexit", func(*program) error {
		defer tree.MarkLeft()
		runtime.Goexit()
		return nil
	}, outcome(tree.OK), ""},
	{"is stuck", func(p *program) error { <-p.over; return nil }, outcome(tree.Abandoned), "stuck"},
}

func checkOutcome(t *testing.T, n *tree.Node, want outcome, text string) {
	t.Helper()
	if got := outcome(n.Outcome); got != want || tree.Text(n.Err) != text && (text == "" || !strings.Contains(tree.Text(n.Err), text)) {
		t.Errorf("%s: %v, %v; want %v, %s", n.Name(), got, n.Err, want, text)
	}
}

func TestTheNextStepIsCalledHoweverOneEnds(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				var called atomic.Int32
				var steps []*tree.Node
				step := func(context.Context) error { called.Add(1); return way.does(p) }
				for i := range 3 {
					steps = append(steps, p.handler(p.stack, fmt.Sprint(i), step, tree.Limits{}))
				}
				steps = append(steps, p.runs(p.stack, tree.Task, "task", func(ctx context.Context) error {
					<-ctx.Done()
					return step(ctx)
				}, tree.Limits{}))
				p.stop(20 * s)
				if int(called.Load()) != len(steps) {
					t.Errorf("%d steps were called, want %d", called.Load(), len(steps))
				}
				for _, n := range steps {
					checkOutcome(t, n, way.want, way.err)
				}
				p.wantIdle()
			})
		})
	}
}

func TestOneGoroutineCallsTheHandlersOfASequence(t *testing.T) {
	inBubble(t, func(p *program) {
		var seen []string
		for range 5 {
			p.handler(p.stack, "h", func(context.Context) error {
				buf := make([]byte, 64)
				id, _, _ := strings.Cut(string(buf[:runtime.Stack(buf, false)]), " [")
				seen = append(seen, id)
				return nil
			}, tree.Limits{})
		}
		p.stop(20 * s)
		for _, id := range seen {
			if id != seen[0] {
				t.Errorf("the goroutines are %v", seen)
				break
			}
		}
	})
}

// A step that returns after it was abandoned has no effect. Only a panic or a Goexit of it is
// passed to the host, because nothing else reports it.
func TestAStepThatReturnsAfterItWasAbandoned(t *testing.T) {
	for _, way := range ways {
		if way.want == outcome(tree.Abandoned) {
			continue
		}
		t.Run(way.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				release := make(chan struct{})
				n := p.handler(p.stack, "lost", func(context.Context) error { <-release; return way.does(p) }, tree.Limits{Timeout: s})
				p.stop(20 * s)
				end, err := n.End, n.Err
				before := len(p.ended)
				var done <-chan struct{}
				p.locked(func() { done = n.Done() })
				synctest.Wait()
				select {
				case <-done:
					t.Error("Done is closed before it has returned")
				default:
				}
				time.Sleep(s)
				close(release)
				<-done
				p.locked(func() {
					checkOutcome(t, n, outcome(tree.Abandoned), "stuck")
					if n.End != end || n.Err != err || len(p.ended) != before {
						t.Errorf("its end is %v, its error %v, with %d notices; they were %v, %v and %d", n.End, n.Err, len(p.ended), end, err, before)
					}
				})
				if way.want == outcome(tree.Panicked) || way.want == outcome(tree.Goexited) {
					if len(p.returned) != 1 || !strings.Contains(p.returned[0], way.err) {
						t.Errorf("the host was told %q, want %q", p.returned, way.err)
					}
				} else {
					wantLines(t, "the host was told", p.returned)
				}
				p.wantIdle()
			})
		})
	}
}

// A pair is over when both of its functions have returned. The errors of both count.
func TestPairs(t *testing.T) {
	told := errors.New("told")
	for _, tt := range []struct {
		name               string
		execute, interrupt func(p *program) error
		before             bool // execute comes back before the stop
		want               outcome
		err                string
	}{
		{"both return", func(*program) error { return nil }, func(*program) error { return nil }, false, outcome(tree.OK), ""},
		{"an error of execute after the interrupt is ignored", func(*program) error { return told }, func(*program) error { return nil }, false, outcome(tree.OK), ""},
		{"an error of interrupt is not", func(*program) error { return nil }, func(*program) error { return told }, false, outcome(tree.Failed), "told"},
		{"an error of execute before it is not", func(*program) error { return told }, func(*program) error { return nil }, true, outcome(tree.Failed), "told"},
		{"both errors are joined", func(*program) error { return told }, func(*program) error { return errors.New("late") }, true, outcome(tree.Failed), "told\nlate"},
		{"execute panics", func(*program) error { panic("broken") }, func(*program) error { return told }, false, outcome(tree.Panicked), "panic: broken\ntold"},
		{"interrupt panics", func(*program) error { return nil }, func(*program) error { panic("broken") }, false, outcome(tree.Panicked), "panic: broken"},
		{"interrupt panics after execute has failed", func(*program) error { return told }, func(*program) error { panic("broken") }, true, outcome(tree.Panicked), "panic: broken\ntold"},
		{"interrupt calls Goexit", func(*program) error { return nil }, func(*program) error { runtime.Goexit(); return nil }, false, outcome(tree.Goexited), "Goexit"},
		{"interrupt is stuck", func(*program) error { return nil }, func(p *program) error { <-p.over; return nil }, false, outcome(tree.Abandoned), "stuck"},
		{"execute is stuck", func(p *program) error { <-p.over; return nil }, func(*program) error { return told }, false, outcome(tree.Abandoned), "told\nexecute is stuck: stuck for 19s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				interrupted := make(chan struct{})
				p.handler(p.stack, "older", func(context.Context) error { return nil }, tree.Limits{})
				n := p.pair(p.stack, tt.name, func(context.Context) error {
					if !tt.before {
						<-interrupted
					}
					return tt.execute(p)
				}, func(context.Context) error { close(interrupted); return tt.interrupt(p) })
				time.Sleep(s)
				p.stop(20 * s)
				checkOutcome(t, n, tt.want, tt.err)
			})
		})
	}
}

// Inline runs main on the caller's goroutine.
func TestMainOnTheCallersGoroutine(t *testing.T) {
	for _, way := range ways {
		if way.name == "is stuck" {
			continue
		}
		t.Run(way.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				n := newStep(tree.Main, "main", func(ctx context.Context) error { <-ctx.Done(); return way.does(p) }, tree.Limits{})
				p.locked(func() { _ = p.Add(p.body, n, p.Values()) })
				p.after(s, func() { p.stop(20 * s) })
				called, thrown, after := false, any(nil), make(chan struct{})
				go func() {
					defer close(after)
					defer func() { thrown = recover() }()
					p.Inline(n, func(r tree.Result, inTime bool) {
						called = true
						if !inTime || !n.Over() {
							t.Errorf("in time %t, over %t; want both", inTime, n.Over())
						}
					})
				}()
				<-after
				checkOutcome(t, n, way.want, way.err)
				if panics := way.want == outcome(tree.Panicked); !called || panics != (thrown != nil) {
					t.Errorf("called back %t, panicked again with %v", called, thrown)
				}
			})
		})
	}
}

// blockHere is the function in which the stuck steps of the tests wait.
func blockHere(c <-chan struct{}) { <-c }

func TestTheStacksOfAStuckStepAreTakenOnceAndShared(t *testing.T) {
	inBubble(t, func(p *program) {
		stuck := func(context.Context) error {
			go blockHere(p.over)
			go func() {
				time.Sleep(970 * ms)
				blockHere(p.over)
			}()
			blockHere(p.over)
			return nil
		}
		scope := p.scope(p.stack, "scope", true, tree.Limits{})
		var steps []*tree.Node
		for i := range 3 {
			steps = append(steps, p.handler(scope, fmt.Sprint(i), stuck, tree.Limits{Timeout: s}))
		}
		done := p.begin(20 * s)
		// The deadline is 950 ms, the end 1 s, and a quarter of the way 962.5 ms.
		time.Sleep(962 * ms)
		synctest.Wait()
		for _, n := range steps {
			p.locked(func() {
				if n.StacksRequested() || n.Stack() != "" {
					t.Errorf("%s is looked at before a step that obeys has had the time to", n.Name())
				}
			})
		}
		time.Sleep(ms)
		synctest.Wait()
		var before []string
		p.locked(func() {
			for _, n := range steps {
				before = append(before, n.Stack())
				if n.Over() || strings.Count(n.Stack(), "blockHere") != 2 || !strings.Contains(n.WaitsFor(), "blockHere") {
					t.Errorf("over %t, it waits for %q in\n%s", n.Over(), n.WaitsFor(), n.Stack())
				}
			}
		})
		time.Sleep(20 * ms)
		p.TakeStacksBriefly(steps) // of a progress line that has begun before, and is late
		<-done
		synctest.Wait()
		for i, n := range steps {
			checkOutcome(t, n, outcome(tree.Abandoned), "stuck for 1s")
			e := new(stuckError)
			if !errors.As(n.Err, &e) || e.stack != before[i] || n.Stack() != before[i] {
				t.Errorf("the stacks of %s are other ones afterwards", n.Name())
			}
		}
	})
}

// Handlers that were registered at the same line share a label, but not with an abandoned one.
func TestAStuckStepIsNotShownWithTheStacksOfAnother(t *testing.T) {
	inBubble(t, func(p *program) {
		var steps []*tree.Node
		for range 3 {
			steps = append(steps, p.handler(p.stack, "stuck", func(context.Context) error {
				blockHere(p.over)
				return nil
			}, tree.Limits{Timeout: s}))
		}
		p.stop(20 * s)
		synctest.Wait()
		for i, n := range steps {
			p.locked(func() {
				if !strings.HasPrefix(n.Stack(), "1 goroutine ") {
					t.Errorf("the stacks of the step %d are\n%s", i, n.Stack())
				}
			})
		}
	})
}

func TestTheStatusOfAStep(t *testing.T) {
	inBubble(t, func(p *program) {
		asked, answer := 0, make(chan string)
		n := p.handler(p.stack, "h", func(ctx context.Context) error {
			tree.Say(ctx, "at the start")
			p.sleep(s)
			tree.Describe(ctx, func() string { asked++; return <-answer })
			p.sleep(2 * s)
			tree.Say(ctx, "at the end")
			p.sleep(s)
			return nil
		}, tree.Limits{})
		want := func(text string, asks int) {
			t.Helper()
			synctest.Wait()
			p.locked(func() {
				if n.Progress() != text || asked != asks {
					t.Errorf("it says %q, asked %d times; want %q and %d", n.Progress(), asked, text, asks)
				}
			})
		}
		done := p.begin(20 * s)
		ask := func() { p.Ask([]*tree.Node{n}, 100*ms) }
		synctest.Wait()
		ask()
		want("at the start", 0)
		time.Sleep(1500 * ms)
		ask() // it does not answer in time
		ask() // it is not asked again before it has answered
		want("at the start", 1)
		answer <- "half-way"
		want("half-way", 1)
		p.after(0, ask)
		synctest.Wait()
		time.Sleep(s + s/2) // it sets a status while it is asked
		want("at the end", 2)
		answer <- "too late"
		want("at the end", 2)
		<-done
		want("at the end", 2)
		tree.Say(n.WorkContext(), "when it is over")
		want("at the end", 2)
		tree.Say(context.Background(), "of no step")
	})
}
