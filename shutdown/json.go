package shutdown

import (
	"encoding/json"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// reportJSON is the JSON form of a Report. Durations are in seconds.
type reportJSON struct {
	Cause    string     `json:"cause,omitempty"`
	Began    time.Time  `json:"began"`
	Took     float64    `json:"took_seconds"`
	Grace    float64    `json:"grace_seconds"`
	Delay    float64    `json:"delay_seconds"`
	Forced   bool       `json:"forced"`
	ExitCode int        `json:"exit_code"`
	Error    string     `json:"error,omitempty"`
	Steps    []stepJSON `json:"steps"`
	More     int        `json:"more_failures,omitempty"`
	Leaks    []leakJSON `json:"leaks,omitempty"`
}

// A stepJSON is the JSON form of a Step. Status is called progress, as in the log: log collectors
// take a field "status" for the level.
type stepJSON struct {
	Name     string   `json:"name"`
	Outcome  Outcome  `json:"outcome"`
	WaitsFor string   `json:"waits_for,omitempty"`
	Error    string   `json:"error,omitempty"`
	Start    float64  `json:"start_seconds"`
	Took     float64  `json:"took_seconds"`
	Kind     StepKind `json:"kind"`
	Site     string   `json:"site,omitempty"`
	Status   string   `json:"progress,omitempty"`
	Restarts int      `json:"restarts,omitempty"`
	LastErr  string   `json:"last_error,omitempty"`
	Stack    string   `json:"stack,omitempty"`
}

type leakJSON struct {
	Step  string `json:"step"`
	Count int    `json:"count"`
	Stack string `json:"stack"`
}

// number returns a duration in seconds. Duration.Seconds adds two parts, which may show a rounding
// error, as in 1.9698120000000001.
func number(d time.Duration) float64 { return float64(d) / float64(time.Second) }

// MarshalJSON writes durations as seconds, errors as text, kinds and outcomes as words.
func (r *Report) MarshalJSON() ([]byte, error) {
	j := reportJSON{
		Cause: tree.Text(r.Cause), Began: r.Began, Took: number(r.Took), Grace: number(r.Grace),
		Delay: number(r.Delay), Forced: r.Forced, ExitCode: r.ExitCode(), Error: tree.Text(r.Err()),
		Steps: make([]stepJSON, len(r.Steps)), More: r.MoreFailures,
	}
	for i, s := range r.Steps {
		j.Steps[i] = stepJSON{
			s.Name, s.Outcome, s.WaitsFor, tree.Text(s.Err), number(s.Start), number(s.Took), s.Kind, s.Site, s.Status,
			s.Restarts, tree.Text(s.LastErr), s.Stack,
		}
	}
	for _, l := range r.Leaks {
		j.Leaks = append(j.Leaks, leakJSON(l))
	}
	return json.Marshal(j)
}

// MarshalZerologObject adds the report to a line of the log, with the number of steps and with the
// steps that have failed.
func (r *Report) MarshalZerologObject(e *zerolog.Event) {
	addText(e, "cause", tree.Text(r.Cause))
	addSeconds(e, "took_seconds", r.Took)
	addSeconds(e, "grace_seconds", r.Grace)
	addSeconds(e, "delay_seconds", r.Delay)
	e.Time("began", r.Began).Bool("forced", r.Forced).Int("exit_code", r.ExitCode()).Int("steps", len(r.Steps))
	failures := zerolog.Arr()
	failed := r.failures()
	for _, s := range failed {
		failures.Object(zerologStep(*s))
	}
	if len(failed) > 0 {
		e.Array("failures", failures)
	}
	if r.MoreFailures > 0 {
		e.Int("more_failures", r.MoreFailures)
	}
}

// A zerologStep is a failed step in a line of the log.
type zerologStep Step

func (s zerologStep) MarshalZerologObject(e *zerolog.Event) {
	e.Str("step", s.Name).Stringer("outcome", s.Outcome)
	addText(e, "waits_for", s.WaitsFor)
	addText(e, "error", tree.Text(s.Err))
	addSeconds(e, "elapsed_seconds", s.Took)
	e.Stringer("kind", s.Kind)
	addText(e, "site", s.Site)
	addText(e, "progress", s.Status)
	if s.Restarts > 0 {
		e.Int("restarts", s.Restarts)
		addText(e, "last_error", tree.Text(s.LastErr))
	}
}

func addText(e *zerolog.Event, key, text string) {
	if text != "" {
		e.Str(key, text)
	}
}

func addSeconds(e *zerolog.Event, key string, d time.Duration) { e.Float64(key, number(d)) }
