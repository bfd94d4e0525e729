package shutdown_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

func TestAHoldIsWaitedFor(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(nothing, shutdown.Name("handler"))
		report := p.runs(func(context.Context) error {
			release, ok := p.Hold("callback")
			if !ok {
				t.Error("Hold: not ok")
			}
			p.at(3*s, release)
			p.at(4*s, release) // again: nothing
			done, _ := p.Hold("released at once")
			done()
			done()
			return nil
		})
		wantRows(t, report,
			row{shutdown.KindMain, "main", 0, 0, shutdown.OutcomeOK},
			row{shutdown.KindHold, "callback", 0, 3 * s, shutdown.OutcomeOK},
			row{shutdown.KindHandler, "handler", 3 * s, 0, shutdown.OutcomeOK})
	})
}

func TestAHoldThatIsNotReleasedIsAbandonedByName(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Register(p.hangs, shutdown.Name("handler"))
		var release func()
		report := p.runs(func(context.Context) error {
			release, _ = p.Hold("callback")
			return nil
		})
		if got := step(t, report, "callback"); got.Outcome != shutdown.OutcomeAbandoned || got.Took != 24*s ||
			got.Kind != shutdown.KindHold || !strings.HasPrefix(got.Site, "shutdown/hold_test.go:") {
			t.Errorf("the hold: %+v; want abandoned after 24 s", got)
		}
		release() // nothing happens
	})
}

func TestAHoldIsTooLateWhenMainIsOver(t *testing.T) {
	inBubble(t, func(p *bubble) {
		refused := func(when string) {
			release, ok := p.Hold("late")
			if ok || release == nil {
				t.Errorf("%s: ok = %v, release is nil: %v; want false, false", when, ok, release == nil)
			}
			release()
			if p.Go(context.Background(), "late", func(context.Context) error {
				t.Errorf("%s: the work was called", when)
				return nil
			}) {
				t.Errorf("%s: Go = true", when)
			}
		}
		p.Register(shutdown.Func(func() { refused("in a handler") }))
		p.runs(nothing)
		refused("after the end")
	})
}

func TestHoldsBeforeAndDuringTheStop(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 2 * s
		before, ok := p.Hold("before Run")
		if !ok {
			t.Error("before Run: not ok")
		}
		p.at(s, func() { p.Stop(nil) })
		p.at(2*s, func() { // during the delay
			release, ok := p.Hold("during the delay")
			if !ok {
				t.Error("during the delay: not ok")
			}
			p.at(5*s, release)
		})
		p.at(4*s, func() { // main is ending
			release, ok := p.Hold("during main")
			if !ok {
				t.Error("while main ends: not ok")
			}
			p.at(6*s, release)
			before()
		})
		report := p.runs(p.takes(5500 * ms))
		for name, want := range map[string]row{
			"before Run":       {Start: 2 * s, Took: s},
			"during the delay": {Start: 2 * s, Took: 2 * s},
			"during main":      {Start: 3 * s, Took: 2 * s},
		} {
			if got := step(t, report, name); got.Start != want.Start || got.Took != want.Took || got.Outcome != shutdown.OutcomeOK {
				t.Errorf("%s: %v from %v to %v, want %v from %v", name, got.Outcome, got.Start, got.Took, want.Took, want.Start)
			}
		}
		if report.Took != 5*s {
			t.Errorf("took %v, want 5 s", report.Took)
		}
	})
}

func TestGo(t *testing.T) {
	failure := errors.New("callback failed")
	for _, tt := range []struct {
		name string
		end  func() error
		want shutdown.Outcome
	}{
		{"returns", func() error { return nil }, shutdown.OutcomeOK},
		{"fails", func() error { return failure }, shutdown.OutcomeFailed},
		{"panics", func() error { panic("boom") }, shutdown.OutcomePanicked},
		{"calls Goexit", func() error { runtime.Goexit(); return nil }, shutdown.OutcomeGoexited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				report := p.runs(func(ctx context.Context) error {
					ctx, cancel := context.WithCancel(context.WithValue(ctx, key("k"), "v"))
					ok := p.Go(ctx, "work", func(ctx context.Context) error {
						if ctx.Value(key("k")) != "v" {
							t.Error("the work's context has not the values of ctx")
						}
						time.Sleep(3 * s)
						if ctx.Err() != nil {
							t.Errorf("the work's context has ended: %v", context.Cause(ctx))
						}
						return tt.end()
					})
					if !ok {
						t.Error("Go = false")
					}
					cancel()
					return nil
				})
				got := step(t, report, "work")
				if got.Outcome != tt.want || got.Took != 3*s || got.Kind != shutdown.KindHold {
					t.Errorf("the work: %v %v after %v; want hold %v after 3 s", got.Kind, got.Outcome, got.Took, tt.want)
				}
			})
		})
	}
}

func TestTheContextOfGoEndsAtMainsDeadline(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = 10 * s
		report := p.runs(func(ctx context.Context) error {
			p.Go(ctx, "work", func(ctx context.Context) error {
				<-ctx.Done()
				if p.now() != 9500*ms || context.Cause(ctx) != shutdown.ErrGrace {
					t.Errorf("ended at %v because of %v, want 9.5 s and ErrGrace", p.now(), context.Cause(ctx))
				}
				return p.hangs(ctx)
			})
			return nil
		})
		if got := step(t, report, "work"); got.Outcome != shutdown.OutcomeAbandoned || got.Took != 10*s || got.Stack == "" {
			t.Errorf("the work: %v after %v, stack %q; want abandoned after 10 s", got.Outcome, got.Took, got.Stack)
		}
	})
}

func TestAPanicOfGoBeforeTheStopIsLoggedAndDoesNotEndTheProgram(t *testing.T) {
	inBubble(t, func(p *bubble) {
		report := p.runs(func(ctx context.Context) error {
			p.Go(ctx, "work", func(context.Context) error { panic("boom") })
			time.Sleep(s)
			if isClosed(p.Stopping()) {
				t.Error("the program stops")
			}
			return nil
		})
		if !strings.Contains(p.log.String(), `"step":"work"`) || !strings.Contains(p.log.String(), "boom") {
			t.Errorf("the panic is not in the log:\n%s", p.log)
		}
		if report.Took != 0 {
			t.Errorf("took %v", report.Took)
		}
	})
}

func TestAHoldAfterMainHasEnded(t *testing.T) {
	inBubble(t, func(p *bubble) {
		late := make(chan bool, 1)
		p.at(2*s, func() {
			_, ok := p.Hold("late")
			late <- ok
		})
		report := p.runs(func(context.Context) error {
			release, _ := p.Hold("held")
			p.at(3*s, release)
			return nil
		})
		if ok := <-late; ok || report.Took != 3*s {
			t.Errorf("ok = %v, took %v; a hold is refused when main's step has ended", ok, report.Took)
		}
	})
}

// At the instant at which main is abandoned it is too late for work: its context would have ended
// before it begins.
func TestGoAtTheInstantMainIsAbandoned(t *testing.T) {
	for range 20 {
		inBubble(t, func(p *bubble) {
			stuck := make(chan struct{})
			defer close(stuck)
			p.at(25*s, func() { // the default grace period
				if p.Go(context.Background(), "work", nothing) {
					t.Error("work was begun for which there was no time")
				}
			})
			p.Stop(nil)
			p.runs(func(context.Context) error { <-stuck; return nil })
		})
	}
}

func TestWorkThatStartsWorkDoesNotGrow(t *testing.T) {
	const links = 50_000
	for _, tt := range []struct {
		name string
		ctx  func(context.Context) context.Context
	}{
		{"with its context", func(ctx context.Context) context.Context { return ctx }},
		{"with a work context", group.WorkContext},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				type k struct{}
				p.runs(func(ctx context.Context) error {
					before, n := heap(), 0
					var work func(context.Context) error
					work = func(ctx context.Context) error {
						if n++; n < links {
							p.Go(tt.ctx(ctx), "link", work)
							return nil
						}
						if v := ctx.Value(k{}); v != "v" {
							t.Errorf("the value that the first was given is %v in the last", v)
						}
						if grown := int64(heap()) - int64(before); grown > links {
							t.Errorf("the heap has grown by %d bytes in %d links, want none", grown, links)
						}
						return nil
					}
					p.Go(context.WithValue(ctx, k{}, "v"), "link", work)
					synctest.Wait()
					return nil
				})
			})
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
