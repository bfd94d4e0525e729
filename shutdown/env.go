package shutdown

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// The environment variables with which a pod's manifest tells the program its grace period and the
// time of its preStop hook. Kubernetes itself does not tell. Both are in seconds, and an empty one
// counts as unset. A grace period of 0 is an error: there would be no time to stop.
const (
	graceVariable   = "TERMINATION_GRACE_PERIOD_SECONDS"
	preStopVariable = "PRESTOP_SLEEP_SECONDS"
)

// clusterVariable is set by Kubernetes in the containers of a pod.
const clusterVariable = "KUBERNETES_SERVICE_HOST"

// graceMargin is the part of the platform's grace period that the program does not use, so that
// SIGKILL does not come first if the kubelet is late or the CPU is throttled.
const graceMargin = 2 * time.Second

// configure sets the grace period and the delay in effect.
func (c *Coordinator) configure() error {
	p, grace, err := c.plan(os.LookupEnv)
	c.grace, c.delay = grace, p.Delay
	if c.Delay > c.delay {
		c.note(delayReduced{c.Delay, c.delay})
	}
	if err == nil {
		c.note(planned{Plan: p})
	}
	return err
}

// platform reads the platform's grace period from the environment, 0 if it is not set, and the
// part of it that a preStop hook takes.
func platform(lookup func(string) (string, bool)) (total, sleep time.Duration, err error) {
	total, set, err := seconds(lookup, graceVariable)
	if err == nil {
		sleep, _, err = seconds(lookup, preStopVariable)
	}
	switch {
	case err != nil:
	case set && total == 0:
		err = fmt.Errorf("shutdown: %s is 0, want more: Kubernetes kills such a program at once, without time to stop; set Coordinator.Grace, or leave the variable unset", graceVariable)
	case set && sleep >= total:
		err = fmt.Errorf("shutdown: %s is %v, want less than %s, which is %v", preStopVariable, sleep, graceVariable, total)
	default:
		return total, sleep, nil
	}
	return 0, 0, err
}

// ownGrace returns the Coordinator's part of the platform's grace period.
func ownGrace(total, sleep time.Duration) time.Duration {
	total -= sleep
	return max(total-graceMargin, total/2)
}

// seconds reads a variable, and reports whether it is set. An empty one counts as unset: templates
// make such variables.
func seconds(lookup func(string) (string, bool), name string) (d time.Duration, set bool, err error) {
	text, _ := lookup(name)
	if text == "" {
		return 0, false, nil
	}
	s, err := strconv.ParseFloat(text, 64)
	s *= float64(time.Second)
	if err != nil || !(s >= 0) || s > math.MaxInt64/2 {
		return 0, true, fmt.Errorf("shutdown: %s is %q, want a number of seconds", name, text)
	}
	return time.Duration(s), true, nil
}
