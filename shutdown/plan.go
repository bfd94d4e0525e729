package shutdown

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A Plan compares the time that a program needs to stop with the grace period of its platform:
//
//	PreStop + Delay + Drain + Cleanup + Margin <= Grace
//
// Drain and Cleanup together are the time of the drain: the Coordinator's grace period without the
// delay. If Grace is 0, nothing is compared.
//
// The platform's grace period begins when the platform begins to end the program; in Kubernetes that
// is before the preStop hook. The command cmd/deploycheck compares the JSON form of a Plan
// with a manifest.
//
// A Plan has nothing to do with the times of single steps, which are planned when the stop begins.
type Plan struct {
	Grace   time.Duration // the grace period of the platform; 0 if it is not known
	Source  string        // where the Coordinator's grace period comes from: "field", "environment" or "default"
	PreStop time.Duration // the time before the program gets its signal: a preStop hook that sleeps
	Delay   time.Duration // the Coordinator's delay in effect
	Drain   time.Duration // the part of the drain that is not Cleanup
	Cleanup time.Duration // the sum of the handlers' reserves, at most the time after the delay
	Margin  time.Duration // the time to leave between the exit and the end of Grace
}

// A planned is the plan for the log. When a server of package httpdrain has begun to listen, the log
// also says how much of the drain its requests have, if the stop begins at this moment and no step
// before the server takes any time.
type planned struct {
	Plan
	requests string // such as "requests of http 19.5s"
}

// A server is a step that serves requests.
type server struct {
	node     *tree.Node
	requests func(untilDeadline time.Duration) time.Duration // the part of the time that they have
}

// serves adds a server to the plan, and writes the plan again.
func (c *Coordinator) serves(s server) {
	t := c.lock()
	defer t.Unlock()
	if c.phase != active || c.t0 != 0 || !c.main.Encloses(s.node) {
		return
	}
	left := c.grace - c.delay
	before := c.timeOfRequests(left)
	c.servers = append(slices.DeleteFunc(c.servers, func(s server) bool { return s.node.Over() }), s)
	text := c.timeOfRequests(left)
	if p, _, err := c.plan(os.LookupEnv); err == nil && text != before {
		c.note(planned{p, text})
	}
}

// timeOfRequests is the part of the text for the servers that run.
func (c *Coordinator) timeOfRequests(left time.Duration) string {
	var all []string
	for _, s := range c.servers {
		if !s.node.Over() {
			all = append(all, fmt.Sprintf("%s %v", s.node.Name(), s.requests(s.node.Forecast(left)).Round(time.Millisecond)))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "requests of " + strings.Join(all, ", ")
}

// Plan returns the plan of a Run in the present environment: Grace is
// TERMINATION_GRACE_PERIOD_SECONDS, and PreStop is PRESTOP_SLEEP_SECONDS, if they are set. The error
// says that a variable is invalid, or that the field Grace or Delay is negative.
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
		if err != nil { // the field counts, not the environment
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

// required returns the time that the program needs, without the margin.
func (p Plan) required() time.Duration {
	return tree.Sum(tree.Sum(p.PreStop, p.Delay), tree.Sum(p.Drain, p.Cleanup))
}

// headroom returns the part of Grace that the program does not need. If it is negative, the program
// may be killed before it has ended. It has no meaning if Grace is not known.
func (p Plan) headroom() time.Duration { return p.Grace - p.required() }

// fits reports whether the headroom is enough for the margin, or Grace is not known.
func (p Plan) fits() bool { return p.Grace == 0 || p.headroom() >= p.Margin }

// String returns the plan as a sum.
func (p Plan) String() string { return planned{Plan: p}.String() }

func (p planned) String() string {
	var parts []string
	requests := p.requests
	for _, part := range []struct {
		name string
		d    time.Duration
	}{{"preStop", p.PreStop}, {"delay", p.Delay}, {"drain", p.Drain}, {"cleanup", p.Cleanup}, {"margin", p.Margin}} {
		if part.d != 0 {
			text := part.name + " " + part.d.String()
			if requests != "" && (part.name == "drain" || part.name == "cleanup") {
				text += " (" + requests + ")"
				requests = ""
			}
			parts = append(parts, text)
		}
	}
	text := fmt.Sprintf("%s = %v", strings.Join(parts, " + "), tree.Sum(p.required(), p.Margin))
	switch {
	case p.Grace == 0:
		return text + "; the platform's grace period is not known"
	case p.fits():
		return fmt.Sprintf("%s, of %v", text, p.Grace)
	case p.headroom() < 0:
		return fmt.Sprintf("%s, more than %v: the program may be killed %v before it has ended", text, p.Grace, -p.headroom())
	}
	return fmt.Sprintf("%s, more than %v: the program may be killed before it has ended", text, p.Grace)
}

// planJSON is the form of a Plan that deploycheck reads.
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
