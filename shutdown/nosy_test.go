package shutdown_test

import (
	"context"
	"testing"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// nosy is an error that asks the Coordinator when it is looked into.
type nosy struct{ c *shutdown.Coordinator }

func (e nosy) Error() string { e.c.Ready(); return "nosy" }

func (e nosy) Unwrap() error { e.c.Report(); return context.Canceled }

func TestErrorsMayCallTheCoordinator(t *testing.T) {
	returns := func(p *bubble) func(context.Context) error {
		return func(ctx context.Context) error { <-ctx.Done(); return nosy{p.Coordinator} }
	}
	for name, play := range map[string]func(p *bubble) *shutdown.Report{
		"main's": func(p *bubble) *shutdown.Report { return p.runs(returns(p)) },
		"a task's": func(p *bubble) *shutdown.Report {
			var g group.Group
			g.Go("task", returns(p))
			return p.runs(g.Run)
		},
		"a started task's": func(p *bubble) *shutdown.Report { p.Start(returns(p)); return p.runs(obey) },
		"a handler's": func(p *bubble) *shutdown.Report {
			p.Register(returns(p), shutdown.Timeout(s))
			return p.runs(obey)
		},
		"a hold's": func(p *bubble) *shutdown.Report {
			p.Go(context.Background(), "hold", returns(p))
			return p.runs(obey)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.at(s, func() { p.Stop(nosy{p.Coordinator}) })
				if report := play(p); report.Cause == nil || report.ExitCode() > 1 {
					t.Errorf("Cause %v, exit code %d", report.Cause, report.ExitCode())
				}
			})
		})
	}
}
