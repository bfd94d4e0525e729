package check

import (
	"fmt"
	"strconv"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// GraceMargin is how much a Coordinator subtracts from the grace period that it finds in its
// environment.
const GraceMargin = 2 * time.Second

// A Budget describes the stop of a program.
type Budget struct {
	// Container is the name of the program's container. If it is empty, the program is the
	// only container, the container named by the annotation
	// kubectl.kubernetes.io/default-container, or all containers whose preStop hook is the
	// program's handshake.
	Container string
	// Grace is the program's own grace period, from the request to stop to its exit. Zero
	// means unknown.
	Grace time.Duration
	// FromEnvironment is true for a program that takes its grace period from
	// TERMINATION_GRACE_PERIOD_SECONDS. Where a manifest sets that variable, Grace and Drain
	// follow from it.
	FromEnvironment bool
	// DelayVariable is the variable that sets the program's delay, if there is one. Where a
	// manifest sets it, Delay follows from it, and Drain unless it is fixed.
	DelayVariable string
	// FixedDrain is true if Drain is known in itself, and does not follow from Grace.
	FixedDrain bool
	// Delay is how long the program keeps serving after the request to stop. Then it takes
	// Drain to stop its tasks, and Cleanup to run its handlers.
	Delay, Drain, Cleanup time.Duration
	// Margin is the headroom below which the grace period is tight.
	Margin  time.Duration
	PreStop Handshake
	// Signals are the signals that the program handles, such as SIGTERM.
	Signals []string
}

// A Handshake is a preStop hook that announces the stop to the program and waits for its delay. A
// zero Port or PortName matches any.
type Handshake struct {
	Path     string // of an httpGet hook; empty: none
	Port     int
	PortName string
	// Exec are the first words of an exec hook; empty: none. A first word without a slash is the
	// name of the program in any folder.
	Exec []string
}

// OwnGrace is the grace period that a Coordinator has in an environment with these values.
func OwnGrace(total, sleep time.Duration) time.Duration {
	total = max(0, total-sleep)
	return max(total-GraceMargin, total/2)
}

// inEnvironment returns the budget that the program has in the environment of its manifest.
func (s *subject) inEnvironment() Budget {
	b := s.budget
	delay, delaySet := s.delay()
	if b.FixedDrain {
		if delaySet {
			b.Delay = delay
		}
		return b
	}
	own := b.Grace
	if total, ok := s.seconds(graceVariable); b.FromEnvironment && ok {
		sleep, _ := s.seconds(sleepVariable)
		own = OwnGrace(total, sleep)
		b.Grace = own
	} else if !delaySet {
		return b
	}
	if own == 0 {
		own = b.Delay + b.Drain + b.Cleanup
	}
	if delaySet {
		b.Delay = delay
	}
	b.Delay = min(b.Delay, own/2) // as a Coordinator does
	b.Cleanup = min(b.Cleanup, own-b.Delay)
	b.Drain = own - b.Delay - b.Cleanup
	return b
}

// delay returns the value of the variable that sets the program's delay, if the manifest has it.
func (s *subject) delay() (d time.Duration, ok bool) {
	v := s.lookup(s.budget.DelayVariable)
	if v == nil || v.Name == "" {
		return 0, false
	}
	defer s.at(v.Field)()
	if !v.Known {
		s.Add(finding.EnvNotChecked, fmt.Sprintf("the value of $%s is not in the manifest: the plan's delay of %s is used", v.Name, Seconds(s.budget.Delay)), "write the value into the manifest")
		return 0, false
	}
	d, err := time.ParseDuration(v.Value)
	if n, number := strconv.ParseFloat(v.Value, 64); number == nil && n >= 0 && n < maxSleep.Seconds() {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < 0 || d > maxSleep {
		s.Add(finding.EnvInvalid, fmt.Sprintf("$%s is %q, not a time: the plan's delay of %s is used", v.Name, v.Value, Seconds(s.budget.Delay)), "write a time such as 5s, or remove the variable")
		return 0, false
	}
	return d, true
}
