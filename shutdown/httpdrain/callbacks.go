package httpdrain

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/stacks"
)

// callShutdown sends GOAWAY to HTTP/2 connections and calls the functions given to
// RegisterOnShutdown. Both are done by http.Server.Shutdown, which with a context that has
// ended does not poll. It also closes idle connections, without waiting for their Close.
func (d *drain) callShutdown() {
	d.shutdownCalled = true
	d.s.shutDown.Store(true)
	if d.closed.Load() {
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

// leftWait is the time for goroutines that callbacks have started, when the callbacks have returned.
// They may never end: those of an idle connection of an HTTP client, for example. Connections that
// they serve are awaited longer. With more than 10 000 goroutines in the process it is not known
// whether a callback has returned, and the drain waits for what has its label.
const leftWait = time.Second

// awaitCallbacks waits for the callbacks, and a short time for what they have started. It runs on
// the goroutine that has called Shutdown.
func (d *drain) awaitCallbacks() {
	scanned, returned := time.Now(), false
	for pause := time.Millisecond; ; pause = min(2*pause, maxScanPause) {
		left := d.s.callbackGoroutines()
		if len(left) > 0 && time.Since(scanned) >= leftWait {
			was := returned
			scanned, returned = time.Now(), !stacks.Started("net/http.(*Server).Shutdown")
			if was && returned {
				text := fmt.Sprintf("callbacks have left %s: %s",
					counted(len(left), "goroutine", "goroutines"), strings.Join(slices.Compact(left), ", "))
				d.s.callbacksLeft.Store(&text)
				left = nil
			}
		}
		if len(left) == 0 {
			break
		}
		select {
		case <-time.After(pause):
		case <-d.returned:
			return
		}
	}
	d.callbacksDone.Store(true)
	d.s.wake()
}

// callbackGoroutines returns the name of the first function of each goroutine with the label of a
// callback, sorted.
func (s *server) callbackGoroutines() (functions []string) {
	if known.All() {
		return nil
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return nil
	}
	label := []byte(strconv.Quote(callbackLabel) + ":" + strconv.Quote(s.id))
	_, text, _ := bytes.Cut(b.Bytes(), []byte("\n")) // the first line has the total
	for block := range bytes.SplitSeq(text, []byte("\n\n")) {
		if !bytes.Contains(block, label) {
			continue
		}
		// The block begins with a line "2 @ 0x48aa1d 0x48aa2e". The last line is that of the first
		// function: "#	0x48aa1d	main.f+0x1d	/app/main.go:12".
		count, _, _ := bytes.Cut(bytes.TrimSpace(block), []byte(" "))
		n, _ := strconv.Atoi(string(count))
		function := "a goroutine that has not begun"
		if fields := bytes.Split(block[bytes.LastIndexByte(bytes.TrimSpace(block), '\n')+1:], []byte("\t")); len(fields) > 2 {
			name, _, _ := strings.Cut(string(fields[2]), "+0x")
			function = path.Base(name)
		}
		functions = append(functions, slices.Repeat([]string{function}, max(n, 1))...)
	}
	slices.Sort(functions)
	return functions
}
