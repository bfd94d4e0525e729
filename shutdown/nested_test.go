package shutdown_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

func TestAGroupsTasksShareMainsTimeUntilItsDeadline(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("handler"))
		var g group.Group
		g.Go("3", p.hangs)
		g.Go("2", p.hangs, group.Reserve(5*s))
		g.Go("1", p.hangs)
		p.at(s, func() { p.Stop(nil) })
		report := p.runs(g.Run)
		// Main has 24 s, and its deadline is at 23.5 s. The last task has one second, the one
		// before it five.
		for name, want := range map[string]row{
			"1": {Start: 0, Took: 17500 * ms}, "2": {Start: 17500 * ms, Took: 5 * s}, "3": {Start: 22500 * ms, Took: s},
			"handler": {Start: 23500 * ms, Took: 1500 * ms},
		} {
			got := step(t, report, name)
			if got.Start != want.Start || got.Took != want.Took || got.Outcome != shutdown.OutcomeAbandoned {
				t.Errorf("%s: %v from %v for %v, want abandoned from %v for %v", name, got.Outcome, got.Start, got.Took, want.Start, want.Took)
			}
		}
		if got := step(t, report, "main"); got.Outcome != shutdown.OutcomeFailed {
			t.Errorf("main: %v, want failed: it is its tasks that were stuck", got.Outcome)
		}
		var stuck *group.StuckError
		if err := report.Err(); !errors.As(err, &stuck) || strings.Count(err.Error(), `"2"`) != 1 {
			t.Errorf("Err = %v, want each task that was stuck named once", err)
		}
	})
}

func TestTheInnermostGroupNamesTheCulprit(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.at(s, func() { p.Stop(nil) })
		report := p.runs(groupOf(func(ctx context.Context) error {
			var inner group.Group
			inner.Go("obeys", obey)
			inner.Go("culprit", p.hangs)
			return inner.Run(ctx)
		}, obey))
		for _, got := range report.Steps {
			if (got.Outcome == shutdown.OutcomeAbandoned) != (got.Name == "culprit") {
				t.Errorf("%s: %v", got.Name, got.Outcome)
			}
		}
		// 25 s, less a second for the other task of the outer group, and less the margins of main
		// and of the outer task, half a second each.
		if got := step(t, report, "culprit"); got.Took != 25*s-500*ms-500*ms-s {
			t.Errorf("the culprit had %v, want 23 s", got.Took)
		}
	})
}

func TestANestedGroupThatStopsByItselfIsBoundedByTheProgramsStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		var stopped time.Duration
		p.at(3*s, func() { p.Stop(nil) })
		report := p.runs(groupOf(func(ctx context.Context) error {
			inner := group.Group{Grace: time.Hour}
			inner.Go("stuck", p.hangs)
			inner.Go("ends", func(context.Context) error { time.Sleep(s); return nil })
			err := inner.Run(ctx)
			stopped = p.now()
			return err
		}))
		// The stop at 3 s gives main until 13 s. Main's deadline is at 12.5 s. Its task has 9.5 s
		// until then, and its deadline is 5 % of that earlier.
		if stopped != 12025*ms {
			t.Errorf("the inner group was over at %v, want 12.025 s", stopped)
		}
		if got := step(t, report, "stuck"); got.Outcome != shutdown.OutcomeAbandoned {
			t.Errorf("the stuck task: %v", got.Outcome)
		}
		if got := step(t, report, "main"); got.Outcome == shutdown.OutcomeAbandoned {
			t.Error("main was abandoned")
		}
	})
}

func TestANestedGroupsGraceIsTheCoordinators(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		p.runs(groupOf(func(ctx context.Context) error {
			var inner group.Group
			inner.Go("stuck", p.hangs)
			inner.Go("ends", func(context.Context) error { time.Sleep(s); return nil })
			err := inner.Run(ctx)
			if got := p.now(); got != 11*s {
				t.Errorf("the inner group was over at %v, want 11 s", got)
			}
			return err
		}))
	})
}

func TestAScopeClosedInATaskNamesTheCulprit(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("session")
		scope.Register(p.hangs, shutdown.Name("culprit"))
		p.at(s, func() { p.Stop(nil) })
		report := p.runs(groupOf(func(ctx context.Context) error {
			<-ctx.Done()
			return scope.Close(ctx)
		}))
		for _, got := range report.Steps {
			if (got.Outcome == shutdown.OutcomeAbandoned) != (got.Name == "culprit") {
				t.Errorf("%s: %v", got.Name, got.Outcome)
			}
		}
	})
}

func TestAPanicOfATaskIsNamedOnce(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var g group.Group
		g.Go("worker", func(context.Context) error { panic("boom") })
		g.Go("other", obey)
		report := p.runs(g.Run)
		err := report.Err()
		var pe *group.PanicError
		if !errors.As(err, &pe) || strings.Count(err.Error(), "boom") != 1 || !strings.Contains(err.Error(), "worker") {
			t.Errorf("Err = %v, want the panic of worker once", err)
		}
		if report.ExitCode() != 1 {
			t.Errorf("exit code %d, want 1: main itself has not panicked", report.ExitCode())
		}
		if got := step(t, report, "worker"); got.Outcome != shutdown.OutcomePanicked || got.Kind != shutdown.KindTask {
			t.Errorf("worker: %v %v, want task panicked", got.Kind, got.Outcome)
		}
	})
}
