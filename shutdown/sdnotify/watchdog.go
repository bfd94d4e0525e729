package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lastcall-go/lastcall/internal/site"
)

// Watchdog returns a task that keeps systemd's watchdog content, of a unit with WatchdogSec:
// twice in its interval it calls healthy, and tells systemd unless that has failed. systemd
// ends a program which it has not heard of for the interval. From the start of the drain on,
// when this task is told to stop as well, a Coordinator with Attach goes on by itself.
//
// The task ends when it is told to; where there is no watchdog it does nothing else. It
// fails if WATCHDOG_USEC is not understood. healthy's context has a deadline at the end of
// the interval, and is cancelled with the task's. A nil healthy panics.
func Watchdog(healthy func(context.Context) error) func(context.Context) error {
	if healthy == nil {
		panic("sdnotify: Watchdog was given a nil function, at " + site.Caller(2))
	}
	return func(ctx context.Context) error {
		interval, err := watchdogInterval()
		if err != nil {
			return err
		}
		if interval == 0 {
			<-ctx.Done()
			return nil
		}
		watch(ctx, interval, healthy)
		return nil
	}
}

func watch(ctx context.Context, interval time.Duration, healthy func(context.Context) error) {
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if ask(ctx, interval, healthy) == nil {
			_ = write(ctx, daemon.SdNotifyWatchdog) // not dropped: systemd may be what has not run
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, atMost time.Duration, healthy func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	return healthy(ctx)
}

// watchdogInterval is that of the unit, 0 if there is none, or it is another process's.
func watchdogInterval() (time.Duration, error) {
	if !enabled() {
		return 0, nil
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	usec, _ := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if usec > math.MaxInt64/int64(time.Microsecond) { // interval has wrapped around
		err = errors.New("WATCHDOG_USEC is more than a duration holds")
	}
	if err != nil {
		return 0, fmt.Errorf("sdnotify: %w", err)
	}
	return interval, nil
}

// A pulse keeps the watchdog content while the program drains, until the end of the grace
// period: after that it is better to be ended by it.
type pulse struct {
	every time.Duration
	end   time.Time

	mu    sync.Mutex
	timer *time.Timer // nil once it has been stopped
}

// startPulse starts a pulse, if there is a watchdog; else it returns nil, which can be
// stopped as well.
func startPulse(end time.Time) *pulse {
	interval, err := watchdogInterval()
	if err != nil || interval == 0 {
		return nil
	}
	p := &pulse{every: interval / 2, end: end}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(p.every, p.beat)
	send(daemon.SdNotifyWatchdog)
	return p
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil || time.Now().After(p.end) {
		return
	}
	send(daemon.SdNotifyWatchdog)
	p.timer.Reset(p.every)
}

func (p *pulse) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}
