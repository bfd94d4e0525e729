package shutdown

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// The environment variables that tell a program what its pod's manifest says, since
// nothing in Kubernetes does. Both are in seconds.
const (
	graceVariable   = "TERMINATION_GRACE_PERIOD_SECONDS"
	preStopVariable = "PRESTOP_SLEEP_SECONDS"
)

// graceMargin is kept back from the platform's grace period, for the kubelet's jitter
// and a throttled CPU: SIGKILL must not come first.
const graceMargin = 2 * time.Second

// configure works out the grace period and the delay in effect.
func (c *Coordinator) configure() (err error) {
	if c.grace = c.Grace; c.grace == 0 {
		if c.grace, err = graceFromEnvironment(os.LookupEnv); err != nil {
			c.grace = DefaultGrace
		}
	}
	c.delay = c.Delay
	if half := c.grace / 2; c.delay > half {
		c.note(delayCut{c.delay, half})
		c.delay = half
	}
	return err
}

// graceFromEnvironment is DefaultGrace where the environment says nothing.
func graceFromEnvironment(lookup func(string) (string, bool)) (time.Duration, error) {
	text, ok := lookup(graceVariable)
	if !ok {
		return DefaultGrace, nil
	}
	total, err := seconds(graceVariable, text)
	if err != nil {
		return 0, err
	}
	if text, ok := lookup(preStopVariable); ok {
		sleep, err := seconds(preStopVariable, text)
		if err != nil {
			return 0, err
		}
		if total -= sleep; total <= 0 {
			return 0, fmt.Errorf("shutdown: %s=%s leaves nothing of %s", preStopVariable, text, graceVariable)
		}
	}
	return max(total-graceMargin, total/2), nil
}

func seconds(name, text string) (time.Duration, error) {
	s, err := strconv.ParseFloat(text, 64)
	d := s * float64(time.Second)
	if err != nil || !(d >= 1) || d > math.MaxInt64/2 {
		return 0, fmt.Errorf("shutdown: %s=%q is not a positive number of seconds", name, text)
	}
	return time.Duration(d), nil
}
