package main

import (
	"context"
	"encoding/json"
	"fmt"
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

// signalContest is held in children: a signal that this process sends to itself could hit
// the user's Ctrl-C.
func signalContest(repetitions int) contest {
	return contest{
		title:   "signal",
		names:   []string{lastcall, notifyContext},
		sizes:   []size{{1, repetitions}},
		measure: measureSignal,
	}
}

func measureSignal(name string, _ int) (cost, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, childArg, signalChild, name)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("signal, %s: %w", name, err)
	}
	var took []float64
	if err := json.Unmarshal(out, &took); err != nil {
		return nil, fmt.Errorf("signal, %s: %w", name, err)
	}
	return cost{doneTime: median(took)}, nil
}

// signalItself prints how long it takes from a signal's sending to the context's end, in
// nanoseconds.
func signalItself(name string) error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	var took []float64
	for range signalsEachChild {
		ctx, stop := notifiers[name](context.Background(), syscall.SIGTERM)
		start := time.Now()
		if err := self.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		took = append(took, float64(time.Since(start)))
		stop()
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}
