package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	kjson "sigs.k8s.io/json"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
)

// A plan describes the program, in JSON or by flags. Absent values are nil. The JSON of a
// shutdown.Plan is a plan.
type plan struct {
	Container *string  `json:"container"`
	Grace     *seconds `json:"grace_seconds"`    // the pod's grace period, as the program's environment has it
	Source    *string  `json:"grace_source"`     // the origin of the program's grace period: field, environment or default
	Sleep     *seconds `json:"pre_stop_seconds"` // the sleep of the hook, as the program's environment has it
	Delay     *seconds `json:"delay_seconds"`
	Drain     *seconds `json:"drain_seconds"`
	Cleanup   *seconds `json:"cleanup_seconds"`
	Margin    *seconds `json:"margin_seconds"`
	PreStop   preStop  `json:"prestop"`
	Signals   []string `json:"signals"`
	DelayVar  *string  `json:"delay_variable"` // the variable that sets the delay
}

type preStop struct {
	Path     *string `json:"path"`
	Port     *int    `json:"port"`
	PortName *string `json:"port_name"`
	Exec     *string `json:"exec"`
}

// seconds is a duration that is a number of seconds in JSON.
type seconds time.Duration

func (s *seconds) UnmarshalJSON(text []byte) error {
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("%s is not a number of seconds", text)
	}
	if math.Abs(n) > math.MaxInt32 {
		return fmt.Errorf("%s seconds is too long", text)
	}
	*s = seconds(math.Round(n * float64(time.Second)))
	return s.check()
}

func (s seconds) check() error {
	switch {
	case s < 0:
		return errors.New("must not be negative")
	case s > seconds(math.MaxInt32*time.Second):
		return errors.New("is too long")
	}
	return nil
}

// readPlan reads a plan, as strictly as manifests are read. If name is empty, so is the plan.
func readPlan(name string, stdin io.Reader) (p plan, err error) {
	var data []byte
	switch name {
	case "":
		return p, nil
	case "-":
		data, err = io.ReadAll(stdin)
	default:
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return p, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return p, errors.New("not a JSON object")
	}
	strict, err := kjson.UnmarshalStrict(data, &p)
	if err := errors.Join(append(strict, err)...); err != nil {
		return p, err
	}
	if p.PreStop.Port != nil && *p.PreStop.Port != 0 {
		if err := checkPort(*p.PreStop.Port); err != nil {
			return p, err
		}
	}
	if p.Signals != nil {
		p.Signals, err = signalNames(p.Signals)
	}
	return p, err
}

// with returns the plan, overridden by the flags.
func (p plan) with(flags plan) plan {
	p.Container = first(flags.Container, p.Container)
	p.Delay = first(flags.Delay, p.Delay)
	p.Drain = first(flags.Drain, p.Drain)
	p.Cleanup = first(flags.Cleanup, p.Cleanup)
	p.Margin = first(flags.Margin, p.Margin)
	p.PreStop.Path = first(flags.PreStop.Path, p.PreStop.Path)
	p.PreStop.Port = first(flags.PreStop.Port, p.PreStop.Port)
	p.PreStop.PortName = first(flags.PreStop.PortName, p.PreStop.PortName)
	p.PreStop.Exec = first(flags.PreStop.Exec, p.PreStop.Exec)
	if flags.Signals != nil {
		p.Signals = flags.Signals
	}
	return p
}

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// limit is the program's own grace period, from the request to stop to its exit, or 0 if it is
// unknown. It is the sum of its parts, or computed from the pod's grace period as a Coordinator
// does it.
func (p plan) limit() time.Duration {
	switch {
	case p.Drain != nil:
		return time.Duration(or(p.Delay, 0) + *p.Drain + or(p.Cleanup, 0))
	case p.Grace != nil:
		return check.OwnGrace(time.Duration(*p.Grace), time.Duration(or(p.Sleep, 0)))
	}
	return 0
}

// budget returns the plan with the defaults of package shutdown.
func (p plan) budget() check.Budget {
	b := check.Budget{
		Container: or(p.Container, ""),
		Grace:     p.limit(),
		Delay:     time.Duration(or(p.Delay, 0)),
		Cleanup:   time.Duration(or(p.Cleanup, 0)),
		Margin:    time.Duration(or(p.Margin, seconds(check.GraceMargin))),
		PreStop: check.Handshake{
			Path:     or(p.PreStop.Path, handshakePath),
			Port:     or(p.PreStop.Port, 0),
			PortName: or(p.PreStop.PortName, ""),
			Exec:     strings.Fields(or(p.PreStop.Exec, "")),
		},
		Signals:       p.Signals,
		DelayVariable: or(p.DelayVar, ""),
	}
	if b.PreStop.Path != "" {
		b.PreStop.Path = "/" + strings.TrimPrefix(b.PreStop.Path, "/")
	}
	if b.Signals == nil {
		b.Signals = []string{"SIGTERM", "SIGINT"}
	}
	if p.Drain != nil {
		b.Drain = time.Duration(*p.Drain)
	} else {
		b.Drain = max(0, cmp.Or(p.limit(), programGrace)-b.Delay-b.Cleanup)
	}
	return b
}
