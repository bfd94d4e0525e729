package grpcdrain_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// After a second signal the step has its minimum: RPCs have nearly half of it to answer, and
// those that do not are named, however short it is.
func TestSecondSignal(t *testing.T) {
	const want = "1 RPC cut short: 1 /echo.Echo/Unary oldest "
	for _, tc := range []struct {
		handlers int
		delay    time.Duration
		minimum  time.Duration
		answer   time.Duration // after the end of the context; 0: never
	}{
		{0, 0, time.Second, 200 * time.Millisecond},
		{0, 0, time.Second, 400 * time.Millisecond},
		{0, 0, time.Second, 0},
		{0, 5 * time.Second, time.Second, 200 * time.Millisecond},
		{0, 5 * time.Second, time.Second, 0},
		{20, 0, 10 * time.Second / 42, 0},
		{200, 0, 10 * time.Second / 402, 0},
		{500, 0, 10 * time.Second / 1002, 0},
	} {
		bubble(t, fmt.Sprintf("%d handlers, delay %v, answered after %v", tc.handlers, tc.delay, tc.answer), func(t *testing.T) {
			release := make(chan struct{})
			c := &shutdown.Coordinator{Grace: grace, Delay: tc.delay}
			for range tc.handlers {
				c.Register(func(context.Context) error { return nil })
			}
			p := startFor(t, c, serve(&echo{unary: func(ctx context.Context, text string) (string, error) {
				<-ctx.Done()
				if tc.answer == 0 {
					<-release
				}
				time.Sleep(tc.answer)
				return text, nil
			}}))
			answered := inFlight(p.client())
			p.Signal(syscall.SIGTERM)
			p.Signal(syscall.SIGTERM)
			second := p.Report().Took
			r := p.Wait()
			step := r.Steps[0]
			if tc.answer > 0 {
				if err := <-answered; err != nil || step.Err != nil {
					t.Errorf("after %v: %v, the client got %v", step.Took, step.Err, err)
				}
			} else if step.Outcome != shutdown.OutcomeFailed || !strings.Contains(fmt.Sprint(step.Err), want) || step.Start+step.Took > second+tc.minimum {
				t.Errorf("%v after %v, at most %v: %v", step.Outcome, step.Start+step.Took, second+tc.minimum, step.Err)
			}
			close(release)
			time.Sleep(time.Minute) // the handler returns
		})
	}
}
