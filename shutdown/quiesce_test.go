package shutdown_test

import (
	"context"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

func TestQuiesceThenStop(t *testing.T) {
	for _, tt := range []struct {
		name         string
		quiesce      time.Duration
		stop         time.Duration // by a signal
		grace, delay time.Duration
		began, told  time.Duration
		end          time.Duration // when a stuck step is abandoned
	}{
		{"a stop within the delay waits for the rest of it", 1 * s, 4 * s, 25 * s, 10 * s, 1 * s, 11 * s, 26 * s},
		{"a stop when the delay is over does not wait", 1 * s, 11 * s, 25 * s, 10 * s, 1 * s, 11 * s, 26 * s},
		{"a stop later does not wait either", 1 * s, 20 * s, 25 * s, 10 * s, 1 * s, 20 * s, 26 * s},
		{"a late stop still has two seconds", 1 * s, 25 * s, 25 * s, 10 * s, 1 * s, 25 * s, 27 * s},
		{"at the last instant, too", 1 * s, 26 * s, 25 * s, 10 * s, 1 * s, 26 * s, 28 * s},
		{"or the grace period, if that is less", 1 * s, 2 * s, 1 * s, 0, 1 * s, 2 * s, 3 * s},
		{"after that a new grace period begins, with the delay served", 1 * s, 30 * s, 25 * s, 10 * s, 30 * s, 30 * s, 55 * s},
		{"without a delay", 1 * s, 2 * s, 25 * s, 0, 1 * s, 2 * s, 26 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Grace, p.Delay = tt.grace, tt.delay
				p.Register(p.hangs, shutdown.Name("hangs"))
				p.at(tt.quiesce, func() { p.Quiesce() })
				p.signalAt(tt.stop, sigterm)
				var told time.Duration
				report := p.runs(func(ctx context.Context) error {
					<-ctx.Done()
					told = p.now()
					return nil
				})
				if got := report.Began.Sub(p.began); got != tt.began {
					t.Errorf("t0 = %v, want %v", got, tt.began)
				}
				if told != tt.told {
					t.Errorf("main was told at %v, want %v", told, tt.told)
				}
				if got := tt.began + report.Took; got != tt.end {
					t.Errorf("all was over at %v, want %v", got, tt.end)
				}
				if want := tt.end - tt.began; report.Grace != want {
					t.Errorf("Grace = %v, want %v", report.Grace, want)
				}
				if step(t, report, "hangs").Start < 0 {
					t.Error("a step began before t0")
				}
			})
		})
	}
}

func TestQuiesceThenMainReturns(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.at(s, func() { p.Quiesce() })
		report := p.runs(p.takes(3 * s))
		if report.Took != 2*s || report.Cause != shutdown.ErrReturned {
			t.Errorf("took %v because of %v, want 2 s from the announcement, and main's return", report.Took, report.Cause)
		}
	})
}

func TestQuiesceAloneDoesNotEndTheProgram(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.at(s, func() { p.Quiesce() })
		p.at(time.Hour, func() {
			if isClosed(p.Done()) || p.Ready() || !isClosed(p.Stopping()) {
				t.Error("an hour after Quiesce: want not Done, not Ready, Stopping closed")
			}
			p.Stop(nil)
		})
		if report := p.runs(obey); report.Took != 0 {
			t.Errorf("took %v, want nothing", report.Took)
		}
	})
}

func TestQuiesceReturnsAChannel(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop time.Duration
		want time.Duration // after the call at 1 s
	}{
		{"that is closed when the delay is over", time.Hour, 10 * s},
		{"that is closed when the stop begins", 4 * s, 3 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *bubble) {
				p.Delay = 10 * s
				p.signalAt(tt.stop, sigterm)
				p.at(s, func() {
					if got := p.waits(p.Quiesce()); got != tt.want {
						t.Errorf("closed after %v, want %v", got, tt.want)
					}
				})
				p.at(2*s, func() { // shares the delay
					if got := p.waits(p.Quiesce()); got != tt.want-s {
						t.Errorf("the second was closed after %v, want %v", got, tt.want-s)
					}
				})
				p.runs(obey)
				if !isClosed(p.Quiesce()) {
					t.Error("after the end, the channel is open")
				}
			})
		})
	}
}

func TestQuiesceBeforeRunIsNothing(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		if !isClosed(p.Quiesce()) {
			t.Error("the channel is open")
		}
		p.at(s, func() {
			if !p.Ready() {
				t.Error("not Ready")
			}
			p.Stop(nil)
		})
		if got := p.runs(obey).Took; got != 10*s {
			t.Errorf("took %v, want the whole delay", got)
		}
	})
}

func TestResume(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		if p.Resume() {
			t.Error("Resume before Run")
		}
		p.at(s, func() {
			if p.Resume() {
				t.Error("Resume without Quiesce")
			}
			p.Quiesce()
			before := p.Stopping()
			if p.Report() == nil {
				t.Error("no report after t0")
			}
			if !p.Resume() {
				t.Error("Resume = false")
			}
			if !p.Ready() || isClosed(p.Stopping()) || !isClosed(before) || p.Report() != nil {
				t.Error("after Resume: want Ready, a new Stopping, no report")
			}
			if p.Resume() {
				t.Error("a second Resume = true")
			}
		})
		p.signalAt(20*s, sigterm)
		p.at(21*s, func() {
			if p.Resume() {
				t.Error("Resume after the stop has begun")
			}
		})
		report := p.runs(obey)
		if report.Took != 10*s || report.Began.Sub(p.began) != 20*s {
			t.Errorf("took %v from %v, want a whole delay from 20 s", report.Took, report.Began.Sub(p.began))
		}
	})
}

func TestResumedThenQuiescedAgain(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Delay = 10 * s
		p.at(s, func() {
			first := p.Quiesce()
			time.Sleep(s)
			p.Resume()
			time.Sleep(s)
			second := p.Quiesce()
			time.Sleep(s)
			p.Stop(nil)
			if !isClosed(first) || !isClosed(second) {
				t.Errorf("the stop has begun; closed: %v the first channel of Quiesce, %v the second; want both",
					isClosed(first), isClosed(second))
			}
		})
		if report := p.runs(obey); report.Began.Sub(p.began) != 3*s || report.Took != 10*s {
			t.Errorf("took %v from %v, want 10 s from 3 s", report.Took, report.Began.Sub(p.began))
		}
	})
}

func TestStepsBeforeALateStopAreNotInItsReport(t *testing.T) {
	inBubble(t, func(p *bubble) {
		scope := p.Scope("tenant")
		scope.Register(nothing, shutdown.Name("of the tenant"))
		p.at(s, func() { p.Quiesce() })
		p.at(2*s, func() { _ = scope.Close(context.Background()) })
		p.at(time.Hour, func() { p.Stop(nil) })
		for _, got := range p.runs(obey).Steps {
			if got.Start < 0 {
				t.Errorf("%s began at %v, before t0", got.Name, got.Start)
			}
		}
	})
}
