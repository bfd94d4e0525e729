package httpdrain

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
)

// sayGoodbye sends GOAWAY to HTTP/2 connections and calls the functions given to
// RegisterOnShutdown. With a context that has ended, Shutdown does that, and does not begin
// to poll. But it closes what is idle, which nobody waits for: see drop.
func (d *drain) sayGoodbye() {
	if d.closed {
		d.answered.Store(true)
		return
	}
	go func() {
		known.Begin()
		defer known.End()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		pprof.Do(d.ctx, pprof.Labels(goodbyeKey, d.s.id), func(context.Context) {
			d.s.try(func() { _ = d.s.srv.Shutdown(ended) })
		})
		d.awaitCallbacks()
	}()
}

// goodbyeKey is the key of the profiler label by which the functions given to
// RegisterOnShutdown are known, and what they have started. Shutdown calls each on a
// goroutine of its own and waits for none; goroutines inherit labels.
const goodbyeKey = "lastcall.httpdrain"

// A look at the goroutines takes longer the more there are (see bench/RESULTS.md): the pause
// between two grows.
const maxLookPause = 50 * time.Millisecond

func (d *drain) awaitCallbacks() {
	for pause := time.Millisecond; d.s.callbacksRun(); pause = min(2*pause, maxLookPause) {
		select {
		case <-time.After(pause):
		case <-d.over:
			return
		}
	}
	d.answered.Store(true)
	d.s.wake()
}

func (s *server) callbacksRun() bool {
	if known.All() {
		return false
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return false
	}
	return bytes.Contains(b.Bytes(), []byte(strconv.Quote(goodbyeKey)+":"+strconv.Quote(s.id)))
}
