package shutdown

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Plan is the time that a program needs to end, held against what its platform gives it:
//
//	PreStop + Delay + Drain + Cleanup + Margin <= Grace
//
// Grace counts from the moment at which the platform begins to end the program, which in
// Kubernetes is before the preStop hook. Marshalled to JSON, it is what the command
// shutdown/kube/kubecheck holds against a manifest.
type Plan struct {
	Grace   time.Duration // what the platform gives; 0 if it is not known
	Source  string        // of the Coordinator's grace period: "field", "environment" or "default"
	PreStop time.Duration // what passes before the program hears of it: a hook that sleeps
	Delay   time.Duration // the Coordinator's, in effect
	Drain   time.Duration // for main, its tasks and the handlers: what the other parts leave of the Coordinator's grace period
	Cleanup time.Duration // of that, what handlers have reserved
	Margin  time.Duration // kept back for the platform's jitter
}

// Plan is that of a Run of c in the present environment: Grace is
// TERMINATION_GRACE_PERIOD_SECONDS, PreStop is PRESTOP_SLEEP_SECONDS, if these are set. The
// error is that of a Run in an environment that is not understood, or that Grace or Delay is
// negative.
func (c *Coordinator) Plan() (Plan, error) {
	t := c.lock()
	defer t.Unlock()
	p, _, err := c.plan(os.LookupEnv)
	return p, err
}

// plan also returns the Coordinator's own grace period. The lock is held.
func (c *Coordinator) plan(lookup func(string) (string, bool)) (Plan, time.Duration, error) {
	total, sleep, err := platform(lookup)
	p := Plan{Source: "field", Grace: total, PreStop: sleep, Margin: graceMargin}
	grace := c.Grace
	negative := c.negative()
	switch {
	case grace > 0:
		if err != nil { // it is not what counts
			p.Grace, p.PreStop, err = 0, 0, nil
		}
	case err != nil || total == 0:
		grace, p.Source = DefaultGrace, "default"
	default:
		grace, p.Source = ownGrace(total, sleep), "environment"
		p.Margin = min(p.Margin, total-sleep-grace)
	}
	p.Delay = max(0, min(c.Delay, grace/2))
	p.Cleanup = min(c.stack.node.Reserved(), grace-p.Delay)
	p.Drain = grace - p.Delay - p.Cleanup
	return p, grace, errors.Join(negative, err)
}

// required is what the program needs, without the margin. A sum that a Duration does not hold
// is the longest one.
func (p Plan) required() time.Duration {
	return tree.Sum(tree.Sum(p.PreStop, p.Delay), tree.Sum(p.Drain, p.Cleanup))
}

// headroom is the part of Grace that nothing uses. It is negative where the program would be killed
// before it has ended, and less than Margin where that depends on luck. It means nothing
// where Grace is not known.
func (p Plan) headroom() time.Duration { return p.Grace - p.required() }

// fits reports whether there is room for the margin, or Grace is not known.
func (p Plan) fits() bool { return p.Grace == 0 || p.headroom() >= p.Margin }

// String is the arithmetic.
func (p Plan) String() string {
	var parts []string
	for _, part := range []struct {
		name string
		d    time.Duration
	}{{"preStop", p.PreStop}, {"delay", p.Delay}, {"drain", p.Drain}, {"cleanup", p.Cleanup}, {"margin", p.Margin}} {
		if part.d != 0 {
			parts = append(parts, part.name+" "+part.d.String())
		}
	}
	text := fmt.Sprintf("%s = %v", strings.Join(parts, " + "), tree.Sum(p.required(), p.Margin))
	switch {
	case p.Grace == 0:
		return text + ", of a grace period that is not known"
	case p.fits():
		return fmt.Sprintf("%s, of %v", text, p.Grace)
	case p.headroom() < 0:
		return fmt.Sprintf("%s, but there are only %v: the program may be killed %v before it has ended", text, p.Grace, -p.headroom())
	}
	return fmt.Sprintf("%s, but there are only %v: the program may be killed before it has ended", text, p.Grace)
}

// planJSON is the form of a Plan that kubecheck reads.
type planJSON struct {
	Grace   float64 `json:"grace_seconds,omitempty"`
	Source  string  `json:"grace_source"`
	PreStop float64 `json:"pre_stop_seconds"`
	Delay   float64 `json:"delay_seconds"`
	Drain   float64 `json:"drain_seconds"`
	Cleanup float64 `json:"cleanup_seconds"`
	Margin  float64 `json:"margin_seconds"`
}

// MarshalJSON writes durations in seconds.
func (p Plan) MarshalJSON() ([]byte, error) {
	return json.Marshal(planJSON{
		p.Grace.Seconds(), p.Source, p.PreStop.Seconds(), p.Delay.Seconds(),
		p.Drain.Seconds(), p.Cleanup.Seconds(), p.Margin.Seconds(),
	})
}
