package shutdowntest_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// Two programs run at the same time. The functions of package shutdown belong to the one that was
// started first. A call in the other is a failure of its test, and still acts on its own program.
// When the first has ended, the functions belong to the other.
func TestFunctionsInTwoProgramsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both, again := make(chan struct{}), make(chan struct{})
		first := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			<-both
			shutdown.Register(nothing, shutdown.Name("of the first"))
			return waitForStop(ctx)
		})
		synctest.Wait()
		r := new(recorder)
		second := shutdowntest.Start(r, nil, func(ctx context.Context) error {
			shutdown.Register(nothing, shutdown.Name("of the second"))
			if !shutdown.Ready() {
				t.Error("the second program is not ready")
			}
			<-again
			shutdown.Register(nothing, shutdown.Name("later"))
			return waitForStop(ctx)
		})
		synctest.Wait()
		close(both) // the first may call them while the second runs
		synctest.Wait()
		r.want(t,
			"shutdown.Register was called while the program of another test runs",
			"shutdown.Ready was called while the program of another test runs")
		first.Stop(nil)
		first.Clean()
		first.Order("main", "of the first")
		synctest.Wait() // its claim is released
		close(again)
		synctest.Wait()
		second.Stop(nil)
		second.Clean()
		second.Order("main", "later", "of the second")
		if n := len(first.Wait().Steps); n != 2 {
			t.Errorf("the first program had %d steps, want main and its handler", n)
		}
		r.end()
		if n := len(r.failures); n != 2 {
			t.Errorf("%d failures, want the two from before: %q", n, r.failures)
		}
	})
}
