package shutdown

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// A writer is the program's log: zerolog or slog. Fields are pairs of a key and a value.
type writer interface {
	enabled(zerolog.Level) bool
	log(level zerolog.Level, message string, fields []any)
}

// newWriter returns the log that is set in the Coordinator's fields.
func newWriter(c *Coordinator) writer {
	switch {
	case c.Slog != nil:
		return slogWriter{c.Slog}
	case c.Logger != nil:
		return zerologWriter{c.Logger, false}
	}
	// The wrapper hides the Close method: zerolog's Fatal would close standard error for the rest
	// of the drain.
	var out io.Writer = struct{ io.Writer }{os.Stderr}
	terminal := isTerminal(os.Stderr)
	if terminal {
		out = zerolog.ConsoleWriter{
			Out: out, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != "",
			FieldsOrder:   []string{"step", "outcome", "waits_for", "error", "slowest", "slowest_took", "slowest_waits_for", "elapsed", "remaining", "kind", "site", "progress"},
			FieldsExclude: []string{"stack"},
			FormatExtra:   stackBelow,
		}
	}
	l := zerolog.New(out).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	return zerologWriter{&l, terminal}
}

// stackBelow writes the stack on lines of its own. As a field it would be one line, with its line
// breaks escaped.
func stackBelow(fields map[string]any, line *bytes.Buffer) error {
	if stack, ok := fields["stack"].(string); ok {
		line.WriteString("\n    " + strings.NewReplacer("\n", "\n    ", "\t", "  ").Replace(strings.TrimSpace(stack)))
	}
	return nil
}

// isTerminal reports whether f is a character device other than the null device. That is good
// enough to choose a format.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

type zerologWriter struct {
	l        *zerolog.Logger
	terminal bool
}

func (w zerologWriter) enabled(level zerolog.Level) bool {
	return w.l.GetLevel() <= level && zerolog.GlobalLevel() <= level
}

func (w zerologWriter) log(level zerolog.Level, message string, fields []any) {
	if w.terminal {
		rounded(fields)
	} else {
		inSeconds(fields)
	}
	w.l.WithLevel(level).Fields(fields).Msg(message)
}

// rounded formats durations for people.
func rounded(fields []any) {
	for i, f := range fields {
		if d, ok := f.(time.Duration); ok {
			fields[i] = short(d)
		}
	}
}

// inSeconds turns durations into numbers of seconds, with the unit in the key: zerolog would write
// milliseconds and slog nanoseconds.
func inSeconds(fields []any) {
	for i, f := range fields {
		if d, ok := f.(time.Duration); ok {
			fields[i-1] = fmt.Sprint(fields[i-1], "_seconds")
			fields[i] = number(d.Round(time.Microsecond))
		}
	}
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

// log makes the record itself: with Logger.Log, the AddSource option would add this file to each
// line.
func (w slogWriter) log(level zerolog.Level, message string, fields []any) {
	if !w.enabled(level) {
		return
	}
	inSeconds(fields)
	r := slog.NewRecord(time.Now(), slogLevels[level], message, 0)
	r.Add(fields...)
	_ = w.l.Handler().Handle(context.Background(), r)
}
