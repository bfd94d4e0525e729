package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/signals"
)

const (
	notifyContext    = "signal.NotifyContext"
	signalChild      = "signals"
	signalsEachChild = 400
)

var notifiers = map[string]func(context.Context, ...os.Signal) (context.Context, context.CancelFunc){
	lastcall:      signals.NotifyContext,
	notifyContext: signal.NotifyContext,
}

// holdSignals measures in children, so that the signals cannot be confused with the user's Ctrl-C. In
// each child the contestants take turns at every signal.
func holdSignals(ctx context.Context, repetitions int, progress func(string)) (*results, error) {
	r := &results{
		contest{title: "signal", names: []string{lastcall, notifyContext}, sizes: []size{{1, repetitions}}},
		make(map[key][]cost),
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for range repetitions {
		progress(r.title)
		cmd := exec.CommandContext(ctx, self, childArg, signalChild)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("signal: %w", err)
		}
		took := make(map[string][]float64)
		if err := json.Unmarshal(out, &took); err != nil {
			return nil, fmt.Errorf("signal: %w", err)
		}
		for _, name := range r.names {
			r.costs[key{name, 1}] = append(r.costs[key{name, 1}], cost{doneTime: median(took[name])})
		}
	}
	return r, nil
}

// signalItself prints the nanoseconds from the call that sends a signal to the end of the context.
func signalItself(w io.Writer) error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	took := make(map[string][]float64)
	for range signalsEachChild {
		for name, notify := range notifiers { // in random order
			ctx, stop := notify(context.Background(), syscall.SIGTERM)
			start := time.Now()
			if err := self.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			<-ctx.Done()
			took[name] = append(took[name], float64(time.Since(start)))
			stop()
		}
	}
	return json.NewEncoder(w).Encode(took)
}
