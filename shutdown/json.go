package shutdown

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// reportJSON is the form of a Report that machines read. Durations are in seconds.
type reportJSON struct {
	Cause    string     `json:"cause,omitempty"`
	Began    time.Time  `json:"began"`
	Took     float64    `json:"tookSeconds"`
	Grace    float64    `json:"graceSeconds"`
	Delay    float64    `json:"delaySeconds"`
	Forced   bool       `json:"forced"`
	ExitCode int        `json:"exitCode"`
	Error    string     `json:"error,omitempty"`
	Steps    []stepJSON `json:"steps"`
	Leaks    []leakJSON `json:"leaks,omitempty"`
}

type stepJSON struct {
	Kind    StepKind `json:"kind"`
	Name    string   `json:"name"`
	Site    string   `json:"site,omitempty"`
	Start   float64  `json:"startSeconds"`
	Took    float64  `json:"tookSeconds"`
	Outcome Outcome  `json:"outcome"`
	Error   string   `json:"error,omitempty"`
	Stack   string   `json:"stack,omitempty"`
	Status  string   `json:"status,omitempty"`
}

type leakJSON struct {
	Step  string `json:"step"`
	Count int    `json:"count"`
	Stack string `json:"stack"`
}

// MarshalJSON writes durations as seconds, errors as text, kinds and outcomes as words.
func (r *Report) MarshalJSON() ([]byte, error) {
	j := reportJSON{
		Cause: errorText(r.Cause), Began: r.Began, Took: r.Took.Seconds(), Grace: r.Grace.Seconds(),
		Delay: r.Delay.Seconds(), Forced: r.Forced, ExitCode: r.ExitCode(), Error: errorText(r.Err()),
		Steps: make([]stepJSON, len(r.Steps)),
	}
	for i, s := range r.Steps {
		j.Steps[i] = stepJSON{
			s.Kind, s.Name, s.Site, s.Start.Seconds(), s.Took.Seconds(), s.Outcome, errorText(s.Err), s.Stack, s.Status,
		}
	}
	for _, l := range r.Leaks {
		j.Leaks = append(j.Leaks, leakJSON(l))
	}
	return json.Marshal(j)
}

// errorText is what err says, if it does not panic.
func errorText(err error) (text string) {
	if err == nil {
		return ""
	}
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("%T, whose Error panicked: %v", err, v)
		}
	}()
	return err.Error()
}

// MarshalZerologObject adds the report to a line of the log, steps that are OK as their
// number only.
func (r *Report) MarshalZerologObject(e *zerolog.Event) {
	addError(e, "cause", r.Cause)
	e.Time("began", r.Began).Dur("took", r.Took).Dur("grace", r.Grace).
		Dur("delay", r.Delay).Bool("forced", r.Forced).Int("exit_code", r.ExitCode()).
		Int("steps", len(r.Steps))
	failures := zerolog.Arr()
	n := 0
	for _, s := range r.Steps {
		if s.Outcome != OK {
			failures.Object(s)
			n++
		}
	}
	if n > 0 {
		e.Array("failures", failures)
	}
}

// MarshalZerologObject adds the step to a line of the log.
func (s Step) MarshalZerologObject(e *zerolog.Event) {
	e.Str("step", s.Name).Stringer("kind", s.Kind).Stringer("outcome", s.Outcome).
		Dur("elapsed", s.Took)
	addError(e, "error", s.Err)
}

func addError(e *zerolog.Event, key string, err error) {
	if err != nil {
		e.Str(key, errorText(err))
	}
}
