//go:build unix && strict

package shutdown_test

import (
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The strict mode measures exactly what other tests can only bound, because their machine is busy:
// a process with a stuck step ends at its grace period and at most 50 ms later, 100 times of 100,
// by its own clock and by its parent's.
//
//	go test -tags strict -run ProcessStrict -v -timeout 1h -parallel 8 ./shutdown
//
// A child that spins runs alone. The others only wait, so several run at the same time.
const (
	strictRuns   = 100
	strictMargin = 50 * time.Millisecond
)

func TestProcessStrict(t *testing.T) {
	for step := range stuckIn {
		for _, s := range stuckCases {
			t.Run(step+" in "+s.name, func(t *testing.T) {
				if !s.spins() {
					t.Parallel()
				}
				measure(t, step+" stuck in "+s.name, step, s)
			})
		}
	}
	for _, c := range crowds {
		t.Run(c.name, func(t *testing.T) {
			if runtime.NumCPU() < c.cpus {
				t.Skipf("needs %d processors", c.cpus)
			}
			name := "handler"
			if c.s.name == "main" {
				name = "main"
			}
			measure(t, "stuck "+c.name, name, c.s, c.env...)
		})
	}
}

// measure plays the scenario again and again.
func measure(t *testing.T, scenario, name string, s stuckCase, env ...string) {
	var own, parents []time.Duration
	stacks, states := 0, 0
	for range strictRuns {
		p := start(t, scenario, with(strictVariable+"=child"), with(env...))
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.exits(1)
		own = append(own, p.ownTime()-strictGrace)
		parents = append(parents, p.ended.Sub(p.report().Began)-strictGrace)
		stack := p.step(name).Stack
		if s.stack != "" && strings.Contains(stack, s.stack) {
			stacks++
		}
		if s.state != "" && strings.Contains(stack, "["+s.state) {
			states++
		}
	}
	slices.Sort(own)
	slices.Sort(parents)
	last := len(own) - 1
	t.Logf("after the grace period: by its own clock %v to %v, median %v; as the parent saw it up to %v; %d stacks, %d states of %d",
		own[0], own[last], own[last/2], parents[last], stacks, states, strictRuns)
	if own[last] > strictMargin {
		t.Errorf("%v later than the grace period, want at most %v", own[last], strictMargin)
	}
}
