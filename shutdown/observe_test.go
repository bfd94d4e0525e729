package shutdown_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/shutdown"
)

func describe(e shutdown.Event) string {
	switch e := e.(type) {
	case shutdown.StopRequested:
		return fmt.Sprintf("stop: %v, grace %v, delay %v", e.Cause, e.Grace, e.Delay)
	case shutdown.Quiesced:
		return fmt.Sprintf("quiesced: %v", e.Delay)
	case shutdown.Resumed:
		return "resumed"
	case shutdown.DelayEnded:
		return fmt.Sprintf("delay ended after %v", e.After)
	case shutdown.StepBegan:
		return fmt.Sprintf("%v %s began at %v with %v", e.Kind, e.Name, e.Start, e.Budget)
	case shutdown.StepEnded:
		return fmt.Sprintf("%v %s ended %v after %v", e.Kind, e.Name, e.Outcome, e.Took)
	case shutdown.Waiting:
		return fmt.Sprintf("waiting for %s, %v left", e.Steps[0].Name, e.Left)
	case shutdown.Forced:
		return fmt.Sprintf("forced: %v, %v left", e.Cause, e.Left)
	case shutdown.Drained:
		return fmt.Sprintf("drained: %d steps", len(e.Report.Steps))
	}
	return fmt.Sprintf("%T", e)
}

func TestEvents(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var got []string
		p.Observe = func(e shutdown.Event) { got = append(got, describe(e)) }
		p.Delay = 2 * s
		p.Register(p.hangs, shutdown.Name("stuck"))
		p.Register(fails(errTask), shutdown.Name("failing"))
		p.at(s, func() {
			p.Quiesce()
			time.Sleep(s / 2)
			p.Resume()
		})
		p.signalAt(2*s, sigint)
		p.signalAt(5500*ms, sigterm)
		p.runs(obey)
		want := []string{
			"quiesced: 2s", "resumed",
			"stop: received signal interrupt, grace 25s, delay 2s",
			"delay ended after 2s",
			"main main began at 2s with 21s", "main main ended ok after 0s",
			"handler failing began at 2s with 22s", "handler failing ended failed after 0s",
			"handler stuck began at 2s with 23s",
			"waiting for stuck, 22s left",
			"forced: received signal terminated, 21.5s left",
			"waiting for stuck, 21s left",
			"handler stuck ended abandoned after 2.5s",
			"drained: 3 steps",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestObserveIsNeverCalledConcurrently(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var inside, calls atomic.Int32
		p.Observe = func(shutdown.Event) {
			if inside.Add(1) != 1 {
				t.Error("called while it runs")
			}
			calls.Add(1)
			time.Sleep(ms)
			inside.Add(-1)
		}
		scope := p.Scope("all", shutdown.Concurrent())
		for range 50 {
			scope.Register(p.takes(10 * ms))
		}
		p.at(s, func() { p.Stop(nil) })
		p.runs(groupOf(obey, obey, obey))
		if calls.Load() < 100 {
			t.Errorf("%d calls, want all", calls.Load())
		}
	})
}

func TestObserveMayCallBack(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Observe = func(shutdown.Event) {
			p.Report()
			p.Ready()
			p.Stop(nil)
			p.Register(nothing)
		}
		p.runs(nothing)
	})
}

// This test is for the race detector.
func TestShutdownWhileTheEndIsObserved(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Observe = func(e shutdown.Event) {
			if _, ok := e.(shutdown.Drained); ok {
				if err := p.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown = %v", err)
				}
			}
		}
		p.runs(nothing)
	})
}

func TestTheLastEventHasTheCompleteReport(t *testing.T) {
	inBubble(t, func(p *bubble) {
		var last shutdown.Event
		p.Observe = func(e shutdown.Event) { last = e }
		p.Register(nothing)
		report := p.Run(context.Background(), nothing)
		if d, ok := last.(shutdown.Drained); !ok || d.Report != report || len(report.Steps) != 2 {
			t.Errorf("the last event is %#v, want Drained with the report of Run", last)
		}
	})
}
