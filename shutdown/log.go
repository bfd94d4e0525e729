package shutdown

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/signals"
)

// These items are logged besides Events.
type (
	tooLate        struct{ name, site string }
	delayReduced   struct{ asked, half time.Duration }
	reservesScaled struct{}
	hookUnanswered struct{}
	starting       struct{ steps []WaitingStep }
	startFailed    struct {
		WaitingStep
		err   error
		stack string
	}
	warmupWhileReady struct{ name, site, set string }
	badSettings      struct{ err error }
	health           struct{ err error } // of a health check
	defaultNotRun    struct{ held []string }
	abandonedEnded   struct {
		name  string
		err   error
		stack string // of a panic
	}
	dropped struct {
		queue string
		n     int
	}
	panicked struct {
		queue string
		value any // nil for runtime.Goexit
		stack []byte
	}
	panics struct {
		queue string
		n     int
	}
	thirdSignal struct {
		cause *signals.Error
		steps []WaitingStep
	}
	timeline struct{ report *Report }
)

// log writes a line, without the fields whose value is an empty text. The most important fields
// come first and long ones last: many viewers show only the first 200 columns.
func (j *journal) log(level zerolog.Level, message string, fields ...any) {
	kept := fields[:0]
	for i := 0; i < len(fields); i += 2 {
		if fields[i+1] != "" {
			kept = append(kept, fields[i], fields[i+1])
		}
	}
	j.w.log(level, message, kept)
}

// write writes an item of the log's queue. The levels:
//
//   - error: a failure, once. It is the line of the step that failed, or the last line if no step
//     has failed.
//   - warn: something to look at that is not itself a failure: a step that has used half of its
//     budget, a second signal, leaks, the last line of a stop with failures.
//   - info: the cause of the stop, the steps that the drain waits for, and the last line. The normal
//     end of a command has none of these.
//   - debug: the steps that are OK.
func (j *journal) write(item any) {
	switch e := item.(type) {
	case Warmed:
		j.log(zerolog.InfoLevel, "step started", "step", e.Name, "elapsed", e.Took, "kind", e.Kind.String(), "site", e.Site)
	case StopRequested:
		level := zerolog.InfoLevel
		if j.brief(e.Cause, e.Began) {
			level = zerolog.DebugLevel
		}
		j.log(level, "stopping", "cause", tree.Text(e.Cause), "delay", e.Delay, "grace", e.Grace)
	case Quiesced:
		j.log(zerolog.InfoLevel, "not ready: a stop was announced", "delay", e.Delay)
	case Resumed:
		j.log(zerolog.InfoLevel, "ready again: no stop followed the announcement")
	case DelayEnded:
		j.log(zerolog.DebugLevel, "telling main and its tasks to stop", "elapsed", e.After)
	case StepBegan:
		j.log(zerolog.DebugLevel, "step began", "step", e.Name, "budget", e.Budget, "kind", e.Kind.String(), "site", e.Site)
	case StepEnded:
		j.writeStep(e)
	case Restarted:
		stack := ""
		if p, ok := e.Err.(*group.PanicError); ok {
			stack = string(p.Stack)
		}
		j.log(zerolog.WarnLevel, "step failed, it will be called again", "step", e.Name, "error", tree.Text(e.Err),
			"wait", e.In, "restarts", e.Count, "kind", e.Kind.String(), "site", e.Site, "stack", stack)
	case Waiting:
		j.writeWaiting(zerolog.InfoLevel, "waiting for a step", e.Steps)
	case Forced:
		j.log(zerolog.WarnLevel, "second signal: each step gets only its minimum",
			"cause", tree.Text(e.Cause), "grace_remaining", e.Left)
	case Drained:
		j.writeLeaks(e.Report)
		j.writeEnd(e.Report)
	default:
		j.writeNote(item)
	}
}

// brief reports whether the stop is the normal end of a program that ran for less than a second: a
// command, which should print only its own output.
func (j *journal) brief(cause error, then time.Time) bool {
	own := cause == ErrReturned || j.withoutRun && cause == ErrStopRequested
	return own && then.Sub(j.began) < time.Second
}

// maxWaiting is the number of steps that have a line of their own in a list.
const maxWaiting = 10

// writeWaiting writes a line for each step, at level least. If a step has used half of its budget,
// its line is at warn at least, so that the log names the culprit even if the process is killed.
func (j *journal) writeWaiting(least zerolog.Level, message string, steps []WaitingStep) {
	for _, s := range steps[:min(len(steps), maxWaiting)] {
		level, remaining := least, any(s.Left)
		switch {
		case s.Budget == 0:
			remaining = "" // a start without a limit
		case s.Elapsed >= s.Budget/2:
			level = max(level, zerolog.WarnLevel)
		}
		j.log(level, message, "step", s.Name, "waits_for", s.WaitsFor, "elapsed", s.Elapsed, "remaining", remaining,
			"kind", s.Kind.String(), "site", s.Site, "progress", s.Status)
	}
	if more := len(steps) - maxWaiting; more > 0 {
		j.log(least, message, "more", more)
	}
}

// maxLogged is the number of failures that are remembered, to bound the time to look them up.
const maxLogged = 100

// writeStep writes the line of a step. Each failure has one line at error: main's line is at debug
// if main returns errors of its tasks, wrapped or not, since the tasks have lines of their own.
func (j *journal) writeStep(e StepEnded) {
	level, message := zerolog.ErrorLevel, "step failed"
	switch {
	case e.Outcome == OutcomeOK && e.excused:
		level, message = zerolog.InfoLevel, "step ended"
	case e.Outcome == OutcomeOK:
		level, message = zerolog.DebugLevel, "step ended"
	case e.Kind == KindMain && e.Outcome == OutcomeFailed && j.logged(e.Err):
		level = zerolog.DebugLevel
	case e.Kind != KindHandler && len(j.failures) < maxLogged: // main does not return errors of handlers
		j.failures = append(j.failures, e.Err)
	}
	fields := []any{
		"step", e.Name, "outcome", e.Outcome.String(), "waits_for", e.WaitsFor, "error", tree.Text(e.Err),
		"elapsed", e.Took, "kind", e.Kind.String(), "site", e.Site, "progress", e.Status,
	}
	if e.Restarts > 0 {
		fields = append(fields, "restarts", e.Restarts, "last_error", tree.Text(e.LastErr))
	}
	j.log(level, message, append(fields, "stack", e.Stack)...)
}

// logged reports whether lines at error have all of err: it is the error of a failed step, or wraps
// one, or joins only such errors, or it is a part of one.
func (j *journal) logged(err error) bool {
	return tree.Among(err, j.failures) ||
		slices.ContainsFunc(j.failures, func(told error) bool { return tree.In(told, err) })
}

// writeLeaks writes one line that names the steps and has the stack of the first leak, and a line
// with the stack of each at debug.
func (j *journal) writeLeaks(r *Report) {
	leaks, level := r.Leaks, zerolog.WarnLevel
	if len(leaks) == 0 {
		return
	}
	if j.quiet(r) {
		level = zerolog.DebugLevel
	}
	var names []string
	count := make(map[string]int)
	total := 0
	for _, l := range leaks {
		if count[l.Step] == 0 {
			names = append(names, l.Step)
		}
		count[l.Step] += l.Count
		total += l.Count
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (%d)", name, count[name])
	}
	if more := len(names) - maxWaiting; more > 0 {
		names = append(names[:maxWaiting], fmt.Sprintf("%d more", more))
	}
	j.log(level, "goroutines left behind", "leaks", strings.Join(names, ", "), "count", total, "stack", leaks[0].Stack)
	for _, l := range leaks {
		j.log(zerolog.DebugLevel, "goroutines left behind", "step", l.Step, "count", l.Count, "stack", l.Stack)
	}
}

// writeEnd writes the last line. It is at error only for failures that have no line of their own: a
// cause that is a failure but no step's error, or failures whose lines were lost. It has the
// numbers that help to choose a grace period.
func (j *journal) writeEnd(r *Report) {
	level, message, text := zerolog.WarnLevel, "stopped with failures", ""
	full, panicked := j.toLog.lost()
	switch {
	case j.quiet(r):
		level, message = zerolog.DebugLevel, "stopped"
	case r.clean():
		level, message = zerolog.InfoLevel, "stopped"
	case full+panicked > 0:
		level, text = zerolog.ErrorLevel, firstLine(tree.Text(r.Err())) // the whole text may be very long
	case r.fault != nil && !j.logged(r.fault.err):
		level, text = zerolog.ErrorLevel, tree.Text(r.fault.err)
	}
	slowest, most := r.slowest()
	fields := []any{"slowest", slowest.Name, "slowest_took", most, "slowest_waits_for", slowest.WaitsFor, "elapsed", r.Took}
	outcomes := r.count()
	for _, o := range []Outcome{OutcomeAbandoned, OutcomeLate, OutcomeSkipped} {
		if n := outcomes[o]; n > 0 { // a search of the log for "abandoned" must not find each last line
			fields = append(fields, o.String(), n)
		}
	}
	if r.MoreFailures > 0 {
		fields = append(fields, "more_failures", r.MoreFailures)
	}
	j.log(level, message, append(fields,
		"cause", firstLine(tree.Text(r.Cause)), "delay", r.Delay, "main_budget", r.mainBudget, "grace", r.Grace,
		"steps", len(r.Steps), "exit_code", r.ExitCode(), "error", text)...)
}

// writePlan writes the plan. It is at info in Kubernetes, or if the platform's grace period is known,
// and at debug otherwise. It is at warn if the plan does not fit into that grace period.
func (j *journal) writePlan(p planned) {
	level, message := zerolog.InfoLevel, "shutdown plan"
	switch {
	case p.Grace == 0 && os.Getenv(clusterVariable) == "":
		level = zerolog.DebugLevel
	case !p.fits():
		level, message = zerolog.WarnLevel, "shutdown plan exceeds the platform's grace period"
	}
	j.log(level, message, "plan", p.String(), "grace_source", p.Source)
}

func (j *journal) writeNote(item any) {
	switch n := item.(type) {
	case readLevel:
		j.failuresOnly.Store(!j.w.enabled(zerolog.DebugLevel))
	case tooLate:
		j.log(zerolog.ErrorLevel, "registered too late: the handler will not run", "step", n.name, "site", n.site)
	case delayReduced:
		j.log(zerolog.WarnLevel, "delay exceeds half of the grace period, reduced to half", "asked", n.asked, "delay", n.half)
	case hookUnanswered:
		j.log(zerolog.WarnLevel, "the preStop hook has used up the pod's grace period: little time is left")
	case starting:
		j.writeWaiting(zerolog.InfoLevel, "waiting for a step to start", n.steps)
	case startFailed:
		j.log(zerolog.WarnLevel, "step has not started in time", "step", n.Name, "waits_for", n.WaitsFor, "error", n.err.Error(),
			"elapsed", n.Elapsed, "kind", n.Kind.String(), "site", n.Site, "progress", n.Status, "stack", n.stack)
	case warmupWhileReady:
		j.log(zerolog.WarnLevel, "warm-up began when the program was ready already", "step", n.name, "site", n.site, "set", n.set)
	case reservesScaled:
		j.log(zerolog.WarnLevel, "reserves exceed the time left; all reduced in proportion")
	case planned:
		j.writePlan(n)
	case badSettings:
		j.log(zerolog.ErrorLevel, "invalid settings, default grace period used", "error", n.err.Error(), "grace", DefaultGrace)
	case health:
		if n.err != nil {
			j.log(zerolog.WarnLevel, "health check failed: systemd gets no WATCHDOG=1", "error", tree.Text(n.err))
		} else {
			j.log(zerolog.InfoLevel, "health check passes again")
		}
	case defaultNotRun:
		j.log(zerolog.WarnLevel, "registered on Default but not run: another Coordinator has run", "held", strings.Join(n.held, ", "))
	case abandonedEnded:
		j.log(zerolog.WarnLevel, "abandoned step has ended", "step", n.name, "error", tree.Text(n.err), "stack", n.stack)
	case dropped:
		j.log(zerolog.WarnLevel, "event queue full, events dropped", "queue", n.queue, "dropped", n.n)
	case panicked:
		text := "runtime.Goexit was called"
		if n.value != nil {
			text = fmt.Sprint(n.value)
		}
		j.log(zerolog.ErrorLevel, "panic while an event was handled", "queue", n.queue, "panic", text, "stack", string(n.stack))
	case panics:
		j.log(zerolog.WarnLevel, "events lost by panics", "queue", n.queue, "lost", n.n)
	case thirdSignal:
		j.writeWaiting(zerolog.ErrorLevel, "still running", n.steps)
		j.log(zerolog.ErrorLevel, "exiting at once", "cause", n.cause.Error(), "exit_code", n.cause.ExitCode())
	case timeline:
		_, _ = io.WriteString(os.Stderr, n.report.String()+"\n")
	}
}

// unlabel removes the label that a goroutine of this package has inherited from a step.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }
