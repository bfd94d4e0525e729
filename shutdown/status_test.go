package shutdown_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	internal "github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A status function is called without a lock, because it may block for ever.
func TestAStatusFunctionThatBlocksDelaysNothing(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 5 * s
		var asked atomic.Int64
		p.Register(func(ctx context.Context) error {
			internal.Describe(ctx, func() string { asked.Add(1); <-p.release; return "too late" })
			return p.hangs(ctx)
		}, shutdown.Name("stuck"))
		report := p.runs(nothing)
		if report.Took > p.Grace || step(t, report, "stuck").Outcome != shutdown.OutcomeAbandoned {
			t.Errorf("took %v, want at most %v, and the step abandoned:\n%v", report.Took, p.Grace, report)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("it was asked %d times while it had not answered, want once", n)
		}
		lines := countLines(t, p, "waiting for a step")
		if want := 2; lines != want {
			t.Errorf("%d progress lines, want %d", lines, want)
		}
	})
}

// A status function may call the Coordinator.
func TestAStatusMayAskTheCoordinator(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			internal.Describe(ctx, func() string {
				if p.Ready() || p.Report() == nil {
					return "not stopping"
				}
				return "stopping"
			})
			time.Sleep(1500 * ms)
			return nil
		}, shutdown.Name("server"))
		if got := step(t, p.runs(nothing), "server").Status; got != "stopping" {
			t.Errorf("Status = %q, want that of the progress line", got)
		}
	})
}

// The status that was set last counts, whatever an earlier status function returns.
func TestTheLastStatusCounts(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(func(ctx context.Context) error {
			internal.Describe(ctx, func() string { time.Sleep(time.Second); return "old" })
			time.Sleep(1500 * ms)
			shutdown.SetStatus(ctx, "done")
			time.Sleep(time.Second)
			return nil
		}, shutdown.Name("server"))
		if got := step(t, p.runs(nothing), "server").Status; got != "done" {
			t.Errorf("Status = %q, want done", got)
		}
	})
}

func countLines(t *testing.T, p *bubble, message string) (n int) {
	t.Helper()
	for _, l := range lines(t, p.log.String()) {
		if l["message"] == message {
			n++
		}
	}
	return n
}
