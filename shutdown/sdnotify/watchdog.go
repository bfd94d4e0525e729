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

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Watchdog returns a task for a unit with WatchdogSec. Twice per interval the task calls healthy.
// If healthy returns nil, the task sends WATCHDOG=1. systemd ends a program that does not send
// WATCHDOG=1 for a whole interval. The context of healthy ends after one interval, or with the
// task's context.
//
// An error of healthy is shown by systemctl status, and is in the Coordinator's log, at level warn.
// Only a change is reported: an error that was not the last result, and the first nil after an
// error.
//
// The task ends when it is told to stop. During the drain, a Coordinator with [Attach] sends
// WATCHDOG=1 itself, until the end of the grace period. If the unit has no watchdog, the task only
// waits for the end of its context. It fails if WATCHDOG_USEC is not valid.
//
// Watchdog panics if healthy is nil.
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
	last := healthyAgain
	for {
		err := check(ctx, interval, healthy)
		if err == nil {
			_ = write(ctx, daemon.SdNotifyWatchdog) // without the timeout of send: systemd itself may be slow
		}
		if ctx.Err() == nil { // else the error may be that end
			last = report(ctx, err, last)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

const healthyAgain = "healthy again"

// report tells systemd and the log the result of a health check, unless it is the last one. Without
// the error nobody would know why systemd ends the program.
func report(ctx context.Context, err error, last string) (result string) {
	result = healthyAgain
	if err != nil {
		result = "not healthy: " + tree.Text(err)
	}
	if result == last {
		return result
	}
	send(status("%s", result))
	if n := tree.From(ctx); n != nil && !n.Tree().Alone() {
		notify.Health(shutdown.FromContext(ctx), err)
	}
	return result
}

func check(ctx context.Context, timeout time.Duration, healthy func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return healthy(ctx)
}

// watchdogInterval is the unit's watchdog interval, or 0 if it has none or if it is for another
// process.
func watchdogInterval() (time.Duration, error) {
	if !enabled() {
		return 0, nil
	}
	interval, err := daemon.SdWatchdogEnabled(false)
	usec, _ := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if usec > math.MaxInt64/int64(time.Microsecond) { // interval has overflowed
		err = errors.New("WATCHDOG_USEC is too large for a duration")
	}
	if err != nil {
		return 0, fmt.Errorf("sdnotify: %w", err)
	}
	return interval, nil
}

// A keepAlive sends WATCHDOG=1 during the drain, until the end of the grace period. After that the
// watchdog should end the program.
type keepAlive struct {
	every time.Duration
	end   time.Time

	mu    sync.Mutex
	timer *time.Timer // nil after stop
}

// startKeepAlive starts a keepAlive if there is a watchdog. Otherwise it returns nil, whose stop
// does nothing.
func startKeepAlive(end time.Time) *keepAlive {
	interval, err := watchdogInterval()
	if err != nil || interval == 0 {
		return nil
	}
	p := &keepAlive{every: interval / 2, end: end}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(p.every, p.send)
	send(daemon.SdNotifyWatchdog)
	return p
}

func (p *keepAlive) send() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil || time.Now().After(p.end) {
		return
	}
	send(daemon.SdNotifyWatchdog)
	p.timer.Reset(p.every)
}

func (p *keepAlive) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}
