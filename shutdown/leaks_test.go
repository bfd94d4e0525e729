package shutdown_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/lastcall-go/lastcall/shutdown"
)

func receive(c <-chan struct{}) { <-c }

// The last thing that a step does may be to start a goroutine. If that has not begun to run when
// the search for leaks begins, and its function has arguments, its stack is empty.
func TestLeakThatHasNotBegunIsFound(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody else takes it
	inBubble(t, func(p *bubble) {
		p.Register(func(context.Context) error {
			go receive(p.release)
			return nil
		}, shutdown.Name("leaky"))
		report := p.runs(nothing)
		if n := len(report.Leaks); n != 1 || report.Leaks[0].Step != "leaky" {
			t.Errorf("Leaks = %v, want that of the handler", report.Leaks)
		}
	})
}

// A goroutine that was left behind may be the reason why a step hangs until the end of the grace
// period. There is no time for a second scan then, but the first one is made.
func TestLeaksOfAStopThatTakesTheWholeGracePeriod(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("stuck"))
		p.Register(func(context.Context) error {
			go receive(p.release)
			return nil
		}, shutdown.Name("leaky"))
		report := p.runs(nothing)
		if report.Took != report.Grace {
			t.Fatalf("the stop took %v of %v", report.Took, report.Grace)
		}
		if n := len(report.Leaks); n != 1 || report.Leaks[0].Step != "leaky" {
			t.Errorf("Leaks = %v, want that of the handler", report.Leaks)
		}
	})
}
