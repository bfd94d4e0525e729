package httpdrain

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
)

// callShutdown sends GOAWAY to HTTP/2 connections and calls the functions given to
// RegisterOnShutdown. Both are done by http.Server.Shutdown, which with a context that has
// ended does not poll. It also closes idle connections, without waiting for their Close.
func (d *drain) callShutdown() {
	if d.closed {
		d.callbacksDone.Store(true)
		return
	}
	go func() {
		known.Begin()
		defer known.End()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		pprof.Do(d.ctx, pprof.Labels(callbackLabel, d.s.id), func(context.Context) {
			d.s.try(func() { _ = d.s.srv.Shutdown(ended) })
		})
		d.awaitCallbacks()
	}()
}

// callbackLabel is the key of a profiler label. It marks the goroutines of the functions given
// to RegisterOnShutdown, and those that they start: goroutines inherit labels. Shutdown calls
// each function on a goroutine of its own, and waits for none.
const callbackLabel = "lastcall.httpdrain"

// maxScanPause is the longest pause between two scans of all goroutines. A scan takes longer
// the more there are (see bench/RESULTS.md), so the pause doubles up to this.
const maxScanPause = 50 * time.Millisecond

func (d *drain) awaitCallbacks() {
	for pause := time.Millisecond; d.s.callbacksRunning(); pause = min(2*pause, maxScanPause) {
		select {
		case <-time.After(pause):
		case <-d.returned:
			return
		}
	}
	d.callbacksDone.Store(true)
	d.s.wake()
}

func (s *server) callbacksRunning() bool {
	if known.All() {
		return false
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return false
	}
	return bytes.Contains(b.Bytes(), []byte(strconv.Quote(callbackLabel)+":"+strconv.Quote(s.id)))
}
