package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// The worker fails at 1 s, and is called again with a warm-up of 3 s. The group stops at 2 s, and the
// newer task takes 10 s for that.
func TestTheLimitOfAStartDoesNotApplyWhileItsGroupStops(t *testing.T) {
	inBubble(t, func(p *bubble) {
		calls := 0
		report := p.runs(func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 2*s)
			defer cancel()
			var g group.Group
			g.Go("worker", func(ctx context.Context) error {
				if calls++; calls == 1 {
					group.Started(ctx)
					time.Sleep(s)
					return errTask
				}
				return obey(ctx)
			}, group.Warmup(3*s), group.Restart(group.Policy{Initial: 2, Max: 2}))
			g.Go("newer", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(10 * s); return nil })
			return g.Run(ctx)
		})
		if err := report.Err(); err != nil || calls != 2 {
			t.Errorf("Err = %v after %d calls, want nil after 2", err, calls)
		}
	})
}

func TestATaskThatNeverStartedHasNoWarmed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Observe = func(e shutdown.Event) {
			if w, ok := e.(shutdown.Warmed); ok {
				t.Errorf("event %+v, want none", w)
			}
		}
		p.at(5*s, func() { p.Stop(nil) })
		p.runs(running(fails(errTask), group.Warmup(s), group.Restart(group.Policy{Initial: time.Minute, Max: time.Minute})))
		if strings.Contains(p.log.String(), `"step started"`) {
			t.Errorf("the log says that a step has started:\n%s", p.log)
		}
	})
}

// main has called Started, so the program is ready when the worker has ended. Nothing else says so.
func TestATaskThatIsShutDownInItsStartHasAnEvent(t *testing.T) {
	for _, tt := range []struct {
		name string
		task func(context.Context) error
		opts []group.Option
		at   time.Duration
	}{
		{"while it runs", obey, []group.Option{group.Warmup(0)}, 5 * s},
		{"and answers a second later", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(s); return nil }, []group.Option{group.Warmup(0)}, 6 * s},
		{"with MayFail", obey, []group.Option{group.Warmup(0), group.MayFail()}, 5 * s},
		{"while it waits to be called again", fails(errTask), []group.Option{group.Warmup(0), group.Restart(group.Policy{Initial: time.Minute})}, 5 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup = time.Minute
				var events journal
				p.Observe = func(e shutdown.Event) {
					switch e := e.(type) {
					case shutdown.Warmed:
						events.add(fmt.Sprint(p.now(), " ", e.Name, " has started, ready: ", p.Ready()))
					case shutdown.StepEnded:
						if e.Name == "worker" {
							events.add(fmt.Sprint(p.now(), " ", e.Name, " is ", e.Outcome, " at ", e.Start, ", ready: ", p.Ready()))
						}
					}
				}
				p.at(time.Minute, func() { p.Stop(nil) })
				r := p.runs(func(ctx context.Context) error {
					var g group.Group
					worker := g.Go("worker", tt.task, tt.opts...)
					g.Go("other", obey)
					p.at(s, func() { group.Started(ctx) })
					p.at(5*s, func() { _ = worker.Shutdown(context.Background()) })
					return g.Run(ctx)
				})
				events.want(t, "1s main has started, ready: false", fmt.Sprintf("%v worker is ok at 0s, ready: true", tt.at))
				if r.Err() != nil || hasStep(r, "worker") || !hasStep(r, "other") {
					t.Errorf("Err = %v; want nil, and a line for the other task alone:\n%v", r.Err(), r)
				}
			})
		})
	}
}

// A pair is told to stop when its execute has returned nil.
func TestAPairThatHasStartedAndFinishedHasWarmed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Warmup = math.MaxInt64
		var events journal
		p.Observe = func(e shutdown.Event) {
			if w, ok := e.(shutdown.Warmed); ok {
				events.add(w.Name)
			}
		}
		p.at(5*s, func() { p.Stop(nil) })
		p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Add("migration", p.takes(s), nothing, group.Warmup(2*s), group.MayFinish())
			g.Go("other", obey)
			return g.Run(ctx)
		})
		events.want(t, "migration", "main")
	})
}

// Its interrupt still runs when it is the pair's turn to stop.
func TestAPairThatFinishesWhileItStopsHasNoWarmed(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Observe = func(e shutdown.Event) {
			if w, ok := e.(shutdown.Warmed); ok {
				t.Errorf("event %+v, want none: it was told to stop before it had finished", w)
			}
		}
		p.at(5*s, func() { p.Stop(nil) })
		r := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Add("migration", p.takes(4*s), p.takes(3*s), group.Warmup(0), group.MayFinish())
			return g.Run(ctx)
		})
		if got := step(t, r, "migration"); r.Err() != nil || got.Took != 2*s {
			t.Errorf("Err = %v, migration took %v; want nil, 2s", r.Err(), got.Took)
		}
	})
}

// The cache fails an hour before the stop, and takes longer for that than the stop takes.
func TestTheLastLineDoesNotNameAFailureFromBeforeTheStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(time.Hour, func() { p.Stop(nil) })
		r := p.runs(func(ctx context.Context) error {
			var g group.Group
			g.Go("cache", p.hangs, group.Warmup(s), group.MayFail())
			g.Go("other", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(s); return nil })
			return g.Run(ctx)
		})
		synctest.Wait()
		last := find(lines(t, p.log.String()), "stopped with failures")
		if last["slowest"] != "other" || !errors.Is(r.Err(), context.DeadlineExceeded) {
			t.Errorf("the last line is %v, Err = %v; want other as the slowest, and the failure of the cache", last, r.Err())
		}
	})
}
