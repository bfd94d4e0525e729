package shutdown

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/signals"
)

// What is logged besides Events.
type (
	tooLate        struct{ name, site string }
	delayCut       struct{ asked, half time.Duration }
	promisesScaled struct{}
	badSettings    struct{ err error }
	zombie         struct {
		name string
		err  error
	}
	dropped struct {
		n    int
		what string
	}
	lastWords struct {
		cause *signals.Error
		steps []WaitingStep
	}
	timeline struct{ report *Report }
)

// A writer is a program's log, of either kind. Fields are pairs of a key and a value.
type writer interface {
	enabled(zerolog.Level) bool
	log(level zerolog.Level, message string, fields ...any)
}

// newWriter is the log that the Coordinator's fields ask for.
func newWriter(c *Coordinator) writer {
	switch {
	case c.Slog != nil:
		return slogWriter{c.Slog}
	case c.Logger != nil:
		return zerologWriter{c.Logger, false}
	}
	// The wrapping hides Close: zerolog's Fatal closes what it writes to if it can,
	// and with it standard error for the rest of the drain.
	var out io.Writer = struct{ io.Writer }{os.Stderr}
	forPeople := isTerminal(os.Stderr)
	if forPeople {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
	}
	l := zerolog.New(out).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	return zerologWriter{&l, forPeople}
}

// isTerminal reports whether f is a character device other than the null device: near
// enough for the choice of a format.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

type zerologWriter struct {
	l         *zerolog.Logger
	forPeople bool // durations as they are read, not in zerolog.DurationFieldUnit
}

func (w zerologWriter) enabled(level zerolog.Level) bool {
	return w.l.GetLevel() <= level && zerolog.GlobalLevel() <= level
}

func (w zerologWriter) log(level zerolog.Level, message string, fields ...any) {
	if w.forPeople {
		for i, f := range fields {
			if d, ok := f.(time.Duration); ok {
				fields[i] = short(d)
			}
		}
	}
	w.l.WithLevel(level).Fields(fields).Msg(message)
}

type slogWriter struct{ l *slog.Logger }

var slogLevels = map[zerolog.Level]slog.Level{
	zerolog.DebugLevel: slog.LevelDebug,
	zerolog.InfoLevel:  slog.LevelInfo,
	zerolog.WarnLevel:  slog.LevelWarn,
	zerolog.ErrorLevel: slog.LevelError,
}

func (w slogWriter) enabled(level zerolog.Level) bool {
	return w.l.Enabled(context.Background(), slogLevels[level])
}

func (w slogWriter) log(level zerolog.Level, message string, fields ...any) {
	w.l.Log(context.Background(), slogLevels[level], message, fields...)
}

// write writes an item of the log's queue.
func (j *journal) write(item any) {
	log := j.w.log
	switch e := item.(type) {
	case StopRequested:
		log(zerolog.InfoLevel, "stopping", "cause", errorText(e.Cause), "grace", e.Grace, "delay", e.Delay)
	case Quiesced:
		log(zerolog.InfoLevel, "not ready: a stop was announced", "delay", e.Delay)
	case Resumed:
		log(zerolog.InfoLevel, "ready again: the stop that was announced has not come")
	case DelayEnded:
		log(zerolog.DebugLevel, "telling main and its tasks to stop", "elapsed", e.After)
	case StepBegan:
		log(zerolog.DebugLevel, "step began", "step", e.Name, "kind", e.Kind.String(), "remaining", e.Allowance)
	case StepEnded:
		j.writeStep(e)
	case Waiting:
		j.writeWaiting(zerolog.InfoLevel, "waiting for a step", e.Steps)
	case Forced:
		log(zerolog.WarnLevel, "forced: each step gets only what it was promised",
			"cause", errorText(e.Cause), "remaining", e.Left)
	case Drained:
		j.writeEnd(e.Report)
	default:
		j.writeNote(item)
	}
}

// maxWaiting is how many of the steps that are being waited for have a line each second.
const maxWaiting = 10

func (j *journal) writeWaiting(level zerolog.Level, message string, steps []WaitingStep) {
	for _, s := range steps[:min(len(steps), maxWaiting)] {
		fields := []any{"step", s.Name, "kind", s.Kind.String(), "site", s.Site, "elapsed", s.Elapsed, "remaining", s.Left}
		j.w.log(level, message, withStatus(fields, s.Status)...)
	}
	if more := len(steps) - maxWaiting; more > 0 {
		j.w.log(level, message, "more", more)
	}
}

func withStatus(fields []any, status string) []any {
	if status == "" {
		return fields
	}
	return append(fields, "status", status)
}

func (j *journal) writeStep(e StepEnded) {
	fields := withStatus(
		[]any{"step", e.Name, "kind", e.Kind.String(), "outcome", e.Outcome.String(), "elapsed", e.Took}, e.Status)
	if e.Outcome == OK {
		j.w.log(zerolog.DebugLevel, "step ended", fields...)
		return
	}
	fields = append(fields, "site", e.Site, "error", errorText(e.Err))
	if e.WaitsFor != "" {
		fields = append(fields, "waits_for", e.WaitsFor)
	}
	if e.Stack != "" {
		fields = append(fields, "stack", e.Stack)
	}
	j.w.log(zerolog.ErrorLevel, "step did not end well", fields...)
}

func (j *journal) writeEnd(r *Report) {
	level, message := zerolog.InfoLevel, "stopped"
	if !r.clean() {
		level, message = zerolog.ErrorLevel, "stopped with failures"
	}
	fields := []any{"cause", errorText(r.Cause), "elapsed", r.Took, "grace", r.Grace, "steps", len(r.Steps)}
	if err := r.Err(); err != nil {
		fields = append(fields, "error", errorText(err))
	}
	for _, l := range r.Leaks {
		j.w.log(zerolog.DebugLevel, "a step left goroutines behind", "step", l.Step, "count", l.Count, "stack", l.Stack)
	}
	j.w.log(level, message, append(fields, "exit_code", r.ExitCode())...)
}

// writePlan tells of the plan where there is a platform: one that has told its own, or that
// it is there. A command on a terminal has none to keep to, and tells only those who look
// closely.
func (j *journal) writePlan(p Plan) {
	level, message := zerolog.InfoLevel, "the time to stop"
	switch {
	case p.Grace == 0 && os.Getenv(clusterVariable) == "":
		level = zerolog.DebugLevel
	case !p.Fits():
		level, message = zerolog.WarnLevel, "the time to stop does not fit into the platform's grace period"
	}
	j.w.log(level, message, "plan", p.String(), "source", p.Source)
}

func (j *journal) writeNote(item any) {
	log := j.w.log
	switch n := item.(type) {
	case ask:
		j.terse.Store(!j.w.enabled(zerolog.DebugLevel))
	case tooLate:
		log(zerolog.ErrorLevel, "registered too late: the handler will not run", "step", n.name, "site", n.site)
	case delayCut:
		log(zerolog.WarnLevel, "the delay is more than half of the grace period, and was cut to that",
			"asked", n.asked, "delay", n.half)
	case promisesScaled:
		log(zerolog.WarnLevel, "more time was promised to steps than is left: all get less, in proportion")
	case Plan:
		j.writePlan(n)
	case badSettings:
		log(zerolog.ErrorLevel, "the settings were not understood", "error", n.err.Error(), "grace", DefaultGrace)
	case zombie:
		log(zerolog.WarnLevel, "a step that had been given up has ended", "step", n.name, "error", errorText(n.err))
	case dropped:
		log(zerolog.WarnLevel, "more was to be told than could be", "queue", n.what, "dropped", n.n)
	case lastWords:
		j.writeWaiting(zerolog.ErrorLevel, "still running", n.steps)
		log(zerolog.ErrorLevel, "exiting at once", "cause", n.cause.Error(), "exit_code", n.cause.ExitCode())
	case timeline:
		_, _ = io.WriteString(os.Stderr, n.report.String()+"\n")
	}
}

// unlabel takes the label of whichever step started it off a goroutine of this package.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }
