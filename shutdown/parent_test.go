package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// A notified is the cause of a context of os/signal's NotifyContext.
type notified struct{}

func (notified) Error() string        { return "terminated signal received" }
func (notified) Is(target error) bool { return target == context.Canceled }

// A rude error panics when one of its methods is called.
type rude struct{}

func (rude) Error() string { return "rude" }
func (rude) Is(error) bool { panic("rude") }

// The parent of a program ends at 1 s, and a signal may come. Within 200 ms the cause does not
// depend on which of the two the Coordinator sees first.
func TestTheParentsEndAndASignal(t *testing.T) {
	const received = "received signal terminated"
	for _, tt := range []struct {
		name   string
		cause  error         // of the parent's end
		signal time.Duration // after the parent's end, 0: none
		want   string        // the cause in the end
		told   time.Duration // when the event comes, after the parent's end
	}{
		{"no signal", context.Canceled, 0, "context canceled", 200 * ms},
		{"a signal", context.Canceled, 100 * ms, received, 100 * ms},
		{"a signal at the last moment", context.Canceled, 199 * ms, received, 199 * ms},
		{"a signal that is too late", context.Canceled, 201 * ms, "context canceled", 200 * ms},
		{"a signal, and a context of os/signal", notified{}, 100 * ms, received, 100 * ms},
		{"a signal, and a context of package signals", &signals.Error{Signal: sigint}, 100 * ms, "received signal interrupt", 0},
		{"a signal, and a cause of its own", errTest, 100 * ms, errTest.Error(), 0},
		{"a signal, and a cause that panics", rude{}, 100 * ms, "rude", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				parent, end := context.WithCancelCause(context.Background())
				var events []string
				p.Observe = func(e shutdown.Event) {
					if stop, ok := e.(shutdown.StopRequested); ok {
						events = append(events, fmt.Sprintf("%v at %v", stop.Cause, p.now()-s))
						return
					}
					events = append(events, fmt.Sprintf("%T", e))
				}
				p.Register(p.takes(900 * ms))
				p.at(s, func() { end(tt.cause) })
				if tt.signal > 0 {
					p.signalAt(s+tt.signal, sigterm)
				}
				r := p.Run(parent, func(ctx context.Context) error {
					<-ctx.Done()
					if p.now() != s || context.Cause(ctx) != tt.cause {
						t.Errorf("main was told at %v because of %v, want at once, by the parent", p.now(), context.Cause(ctx))
					}
					return nil
				})
				if r.Cause.Error() != tt.want || r.Err() != nil || r.Forced || r.Took != 900*ms {
					t.Errorf("Cause %v, Err %v, Forced %t, Took %v; want %s, nil, false, 900 ms", r.Cause, r.Err(), r.Forced, r.Took, tt.want)
				}
				want := []string{
					fmt.Sprintf("%s at %v", tt.want, tt.told), "shutdown.DelayEnded", "shutdown.StepBegan", "shutdown.StepEnded",
					"shutdown.StepBegan", "shutdown.StepEnded", "shutdown.Drained",
				}
				if d := cmp.Diff(want, events); d != "" {
					t.Errorf("events (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestTheParentsEndAndTwoSignals(t *testing.T) {
	inBubble(t, func(p *bubble) {
		parent, end := context.WithCancel(context.Background())
		p.Register(p.takes(900 * ms))
		p.at(s, end)
		p.signalAt(s+100*ms, sigterm)
		p.signalAt(s+250*ms, sigterm) // a duplicate of the first
		p.signalAt(s+400*ms, sigint)
		r := p.Run(parent, obey)
		var sig *signals.Error
		if !errors.As(r.Cause, &sig) || sig.Signal != sigterm || !r.Forced {
			t.Errorf("Cause %v, Forced %t; want the first signal, true", r.Cause, r.Forced)
		}
	})
}

// The drain does not wait for a signal, and neither does its end.
func TestTheParentsEndDelaysNothing(t *testing.T) {
	for _, signals := range [][]os.Signal{nil, {}} {
		inBubble(t, func(p *bubble) {
			p.Signals = signals
			parent, end := context.WithCancel(context.Background())
			told := -s
			p.Observe = func(e shutdown.Event) {
				if _, ok := e.(shutdown.StopRequested); ok {
					told = p.now()
				}
			}
			p.at(s, end)
			if r := p.Run(parent, obey); p.now() != s || r.Cause != context.Canceled || told != s {
				t.Errorf("over at %v because of %v, told at %v; want 1 s, the parent's end, 1 s", p.now(), r.Cause, told)
			}
		})
	}
}

func TestTheParentsEndWithoutSignalsIsReportedAtOnce(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Signals = []os.Signal{}
		parent, end := context.WithCancel(context.Background())
		var told time.Duration
		p.Observe = func(e shutdown.Event) {
			if _, ok := e.(shutdown.StopRequested); ok {
				told = p.now()
			}
		}
		p.Register(p.takes(s))
		p.at(s, end)
		p.Run(parent, obey)
		if told != s {
			t.Errorf("told at %v, want 1 s", told)
		}
	})
}

func TestAParentThatHasEndedAndASignal(t *testing.T) {
	inBubble(t, func(p *bubble) {
		parent, end := context.WithCancel(context.Background())
		end()
		p.Register(p.takes(s))
		p.signalAt(100*ms, sigterm)
		r := p.Run(parent, nothing)
		if r.Cause == nil || r.Cause.Error() != "received signal terminated" {
			t.Errorf("Cause %v, want the signal", r.Cause)
		}
	})
}

// A main that waits for the parent itself may return before the Coordinator has seen the parent's
// end.
func TestAMainThatSeesTheParentsEnd(t *testing.T) {
	inBubble(t, func(p *bubble) {
		parent, end := context.WithCancelCause(context.Background())
		p.Register(p.takes(s))
		p.signalAt(s+100*ms, sigterm)
		r := p.Run(parent, func(context.Context) error {
			time.Sleep(s)
			end(notified{})
			return nil
		})
		if r.Cause == nil || r.Cause.Error() != "received signal terminated" || r.Err() != nil {
			t.Errorf("Cause %v, Err %v; want the signal, nil", r.Cause, r.Err())
		}
	})
}

// Before it is known that a signal came, Report has the cause that is known so far.
func TestTheReportBeforeASignalIsKnown(t *testing.T) {
	inBubble(t, func(p *bubble) {
		parent, end := context.WithCancel(context.Background())
		p.Register(p.takes(s))
		p.at(s, end)
		p.signalAt(s+100*ms, sigterm)
		p.at(s+50*ms, func() {
			if r := p.Report(); r.Cause != context.Canceled {
				t.Errorf("Cause %v, want the parent's", r.Cause)
			}
		})
		p.at(s+101*ms, func() {
			synctest.Wait()
			if r := p.Report(); r.Cause.Error() != "received signal terminated" {
				t.Errorf("Cause %v, want the signal", r.Cause)
			}
		})
		p.Run(parent, obey)
	})
}

// A program whose parent context is one of signal.NotifyContext sees its end shortly before SIGTERM.
// The hook of the kubelet that was not answered shortens its stop all the same.
func TestTheParentsEndBeforeTheSignalOfAHook(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace, p.Delay = 20*s, 5*s
		parent, end := context.WithCancel(context.Background())
		var requested shutdown.StopRequested
		p.Observe = func(e shutdown.Event) {
			if e, ok := e.(shutdown.StopRequested); ok {
				requested = e
			}
		}
		p.at(s, func() {
			over := p.Quiesce()
			answered := notify.Hook(p.Coordinator)
			<-over
			answered()
		})
		p.at(2*s, end)
		p.signalAt(2*s+ms, sigterm)
		var told time.Duration
		r := p.Run(parent, func(ctx context.Context) error {
			<-ctx.Done()
			told = p.now()
			return nil
		})
		want := s + ms + 1500*ms // from t0, the time of the hook
		if told != 2*s+ms || r.Grace != want || requested.Grace != want || requested.Delay != 0 {
			t.Errorf("main was told at %v, with a grace period of %v; the event says %v, and a delay of %v", told, r.Grace, requested.Grace, requested.Delay)
		}
	})
}
