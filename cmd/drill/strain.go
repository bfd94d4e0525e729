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
	ctx  context.Context
	late []time.Duration
	used time.Duration // of the processors, by this process
	took time.Duration
	done chan struct{}
}

// Strain is the summary of a strain.
type Strain struct {
	// Late is the time by which 99 of 100 pauses of the drill were at most too long.
	Late millis `json:"late_p99_ms"`
	// Share is the part of the machine's processors that the drill used.
	Share      float64 `json:"processors_share"`
	Bottleneck bool    `json:"bottleneck"`
}

// String is empty where the drill was fast enough.
func (s Strain) String() string {
	switch {
	case s.Share > maxShare:
		return fmt.Sprintf("The drill was the bottleneck, with %.0f %% of %d processors: its losses count, its times do not. Use fewer -clients.", 100*s.Share, runtime.NumCPU())
	case s.Bottleneck:
		return fmt.Sprintf("The machine was the bottleneck: pauses of the drill were up to %v too long (p99). Its losses count, its times do not.", round(s.Late.duration()))
	}
	return ""
}

const (
	strainEvery = 5 * time.Millisecond
	maxLate     = 20 * time.Millisecond // several times what a client waits for its answer
	maxShare    = 0.75                  // a server on the same machine needs a part of it too
)

// newStrain measures until ctx ends.
func newStrain(ctx context.Context) *strain {
	s := &strain{ctx: ctx, done: make(chan struct{})}
	go s.measure()
	return s
}

func (s *strain) measure() {
	defer close(s.done)
	began, used := time.Now(), processorTime()
	tick := time.NewTimer(strainEvery)
	defer tick.Stop()
	for {
		due := time.Now().Add(strainEvery)
		tick.Reset(strainEvery)
		select {
		case <-tick.C:
			s.late = append(s.late, max(0, time.Since(due)))
		case <-s.ctx.Done():
			s.used, s.took = processorTime()-used, time.Since(began)
			return
		}
	}
}

func (s *strain) summary() Strain {
	slices.Sort(s.late)
	sum := Strain{Late: quantile(s.late, 0.99)}
	if s.took > 0 {
		sum.Share = float64(s.used) / float64(s.took) / float64(runtime.NumCPU())
	}
	sum.Bottleneck = sum.Late.duration() > maxLate || sum.Share > maxShare
	return sum
}
