package main

import (
	"os"
	"time"

	"github.com/rs/zerolog"
)

// newLogger returns a logger that writes JSON, or readable lines if f is a terminal.
func newLogger(f *os.File) (log zerolog.Logger, terminal bool) {
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		zerolog.DurationFieldFormat = zerolog.DurationFormatString
		return zerolog.New(zerolog.ConsoleWriter{Out: f, TimeFormat: time.TimeOnly}).With().Timestamp().Logger(), true
	}
	return zerolog.New(f).With().Timestamp().Logger(), false
}
