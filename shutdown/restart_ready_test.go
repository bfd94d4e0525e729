package shutdown_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A task with a warm-up starts for 2 s, works for 5 s, fails, starts for 2 s, fails, and so on.
func TestReadyFollowsARestartedTask(t *testing.T) {
	for _, warmup := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprintf("with Coordinator.Warmup %v", warmup), func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Warmup = warmup
				p.signalAt(50*s, sigterm)
				calls := 0
				var j journal
				note := func(what string) { j.add(fmt.Sprintf("%s %t", what, p.Ready())) }
				r := p.runs(func(ctx context.Context) error {
					p.at(p.now()+ms, func() { note("begun") })
					var g group.Group
					g.Go("worker", func(ctx context.Context) error {
						calls++
						if calls > 1 {
							note("called again")
						}
						time.Sleep(2 * s)
						if calls == 3 {
							return errTask // before it has started
						}
						group.Started(ctx)
						note("started")
						time.Sleep(5 * s)
						if calls == 4 {
							return obey(ctx)
						}
						p.at(p.now()+ms, func() { note("failed") })
						return errTask
					}, group.Warmup(10*s), group.Restart(group.Policy{Initial: s, Max: s}))
					return g.Run(ctx)
				})
				j.want(t, "begun false", "started true", "failed false", "called again false", "started true",
					"failed false", "called again false", "called again false", "started true")
				if step(t, r, "worker").Restarts != 3 || r.ExitCode() != 0 {
					t.Errorf("exit code %d, want 0 and 3 restarts:\n%v", r.ExitCode(), r)
				}
				warned := strings.Count(p.log.String(), "warm-up began when the program was ready already")
				if warned > 1 || warmup > 0 && warned > 0 {
					t.Errorf("the log warns %d times of a warm-up, want at most one for the first without Coordinator.Warmup", warned)
				}
			})
		})
	}
}

func TestAStartThatHangsIsTriedAgain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.signalAt(time.Minute, sigterm)
		calls := 0
		var told []shutdown.Restarted
		p.Observe = func(e shutdown.Event) {
			if r, ok := e.(shutdown.Restarted); ok {
				told = append(told, r)
			}
		}
		r := p.runs(running(func(ctx context.Context) error {
			if calls++; calls < 3 {
				return obey(ctx)
			}
			group.Started(ctx)
			return obey(ctx)
		}, group.Warmup(5*s), group.Restart(group.Policy{})))
		worker := step(t, r, "worker")
		var hung *group.StartError
		if e, ok := worker.LastErr.(*group.StartError); ok {
			hung = e
		}
		if worker.Restarts != 2 || hung == nil || hung.Name != "worker" || worker.Outcome != shutdown.OutcomeOK || r.ExitCode() != 0 {
			t.Errorf("the worker's step is %+v, want two restarts after a StartError", worker)
		}
		if len(told) != 2 || !hasStep(r, "other") {
			t.Errorf("events %v, want two; the other task has a step: %t", told, hasStep(r, "other"))
		}
	})
}
