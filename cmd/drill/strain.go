package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A strain tells how busy the drill itself was. What it measures then says more about the drill, and
// about the machine, than about the server.
type strain struct {
	pauses []ownPause
	loaded int           // of pauses, those before the first signal
	used   time.Duration // of the processors, by this process, before the first signal
	took   time.Duration // until the first signal
	done   chan struct{}
}

// An ownPause is one of the drill's own, of strainEvery. Its end counts from the start of the run.
type ownPause struct{ end, late time.Duration }

// Strain is the summary of a strain.
type Strain struct {
	// Late is the time by which 99 of 100 pauses of the drill were at most too long.
	Late millis `json:"late_p99_ms"`
	// Mean is the time by which pauses were too long on average.
	Mean millis `json:"late_mean_ms"`
	// Share is the part that the drill used of the processors that it may use.
	Share      float64 `json:"processors_share"`
	Bottleneck bool    `json:"bottleneck"`
}

// String is empty where the drill was fast enough.
func (s Strain) String() string {
	switch {
	case s.Share > maxShare:
		return fmt.Sprintf("The drill was the bottleneck, with %.0f %% of %d processors: its losses count, its times do not. Use fewer -clients or -websockets.", 100*s.Share, runtime.GOMAXPROCS(0))
	case s.Bottleneck:
		return fmt.Sprintf("The machine was the bottleneck: pauses of the drill were up to %v too long (p99), and %v on average. Its losses count, its times and its rate do not.", round(s.Late.duration()), round(s.Mean.duration()))
	}
	return ""
}

const (
	strainEvery = 5 * time.Millisecond
	maxLate     = 20 * time.Millisecond // the p99 of the latency is too high by at least about as much
	maxShare    = 0.75                  // a server on the same machine needs a part of it too

	// A client whose pauses are too long sends fewer requests. The mean also shows a single long stall,
	// which the p99 does not.
	maxSlower = 0.2                  // of -think
	minSlower = 2 * time.Millisecond // timers are not more exact
)

// newStrain measures until ctx ends. signalled ends when the first signal is sent, or with ctx. The
// summary counts what was before it.
func newStrain(ctx, signalled context.Context, now func() time.Duration) *strain {
	s := &strain{done: make(chan struct{})}
	go s.measure(ctx.Done(), signalled.Done(), now)
	return s
}

func (s *strain) measure(over, signalled <-chan struct{}, now func() time.Duration) {
	defer close(s.done)
	began, used := now(), processorTime()
	tick := time.NewTimer(strainEvery)
	defer tick.Stop()
	for over != nil || signalled != nil {
		due := now() + strainEvery
		tick.Reset(strainEvery)
		select {
		case <-tick.C:
			end := now()
			s.pauses = append(s.pauses, ownPause{end, max(0, end-due)})
		case <-signalled:
			signalled = nil
			s.loaded, s.used, s.took = len(s.pauses), processorTime()-used, now()-began
		case <-over:
			over = nil
		}
	}
}

// summary is for clients whose mean pause is think.
func (s *strain) summary(think time.Duration) Strain {
	var late []time.Duration
	var total time.Duration
	for _, p := range s.pauses[:s.loaded] {
		late = append(late, p.late)
		total += p.late
	}
	slices.Sort(late)
	sum := Strain{Late: quantile(late, 0.99), Mean: millis(total / time.Duration(max(1, len(late))))}
	if s.took > 0 {
		// A container may use fewer processors than the machine has.
		sum.Share = float64(s.used) / float64(s.took) / float64(runtime.GOMAXPROCS(0))
	}
	slower := max(minSlower, time.Duration(maxSlower*float64(think)))
	sum.Bottleneck = sum.Late.duration() > maxLate || sum.Mean.duration() > slower || sum.Share > maxShare
	return sum
}

// latest is by how much a pause between two times was at most too long.
func (s *strain) latest(from, to time.Duration) (late time.Duration) {
	for _, p := range s.pauses {
		if p.end >= from && p.end-p.late <= to {
			late = max(late, p.late)
		}
	}
	return late
}
