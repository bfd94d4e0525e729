package shutdown

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// The environment variables that tell a program what its pod's manifest says, since
// nothing in Kubernetes does. Both are in seconds, and an empty one counts as unset. A hook
// of 0 s is none. A grace period of 0 s is an error: it leaves no time to plan with.
const (
	graceVariable   = "TERMINATION_GRACE_PERIOD_SECONDS"
	preStopVariable = "PRESTOP_SLEEP_SECONDS"
)

// clusterVariable is set in the containers of a pod by Kubernetes itself.
const clusterVariable = "KUBERNETES_SERVICE_HOST"

// graceMargin is kept back from the platform's grace period, for the kubelet's jitter
// and a throttled CPU: SIGKILL must not come first.
const graceMargin = 2 * time.Second

// configure works out the grace period and the delay in effect.
func (c *Coordinator) configure() error {
	p, grace, err := c.plan(os.LookupEnv)
	c.grace, c.delay = grace, p.Delay
	if c.Delay > c.delay {
		c.note(delayReduced{c.Delay, c.delay})
	}
	if err == nil {
		c.note(p)
	}
	return err
}

// platform is what the environment says of the platform's grace period, 0 if nothing, and
// of what a preStop hook takes of it.
func platform(lookup func(string) (string, bool)) (total, sleep time.Duration, err error) {
	total, set, err := seconds(lookup, graceVariable)
	if err == nil {
		sleep, _, err = seconds(lookup, preStopVariable)
	}
	switch {
	case err != nil:
	case set && total == 0:
		err = fmt.Errorf("shutdown: %s is 0, with which Kubernetes kills the program at once: there is no time to stop; set Coordinator.Grace, or leave the variable unset", graceVariable)
	case set && sleep >= total:
		err = fmt.Errorf("shutdown: %s, %v, leaves nothing of %s, %v", preStopVariable, sleep, graceVariable, total)
	default:
		return total, sleep, nil
	}
	return 0, 0, err
}

// ownGrace is the Coordinator's part of the platform's grace period.
func ownGrace(total, sleep time.Duration) time.Duration {
	total -= sleep
	return max(total-graceMargin, total/2)
}

// seconds reads a variable, and reports whether it is set. An empty one is not: a template
// with nothing to fill in leaves it so.
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
