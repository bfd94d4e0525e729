package httpdrain_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

const stuckGrace = 4 * time.Second // so that even a busy machine has time to take the stacks between the deadline and the end

// A stuckIn has functions in which a handler hangs. They wait neither for the context of the request
// nor for its connection.
type stuckIn struct {
	mu sync.Mutex
	wg sync.WaitGroup
}

func (w *stuckIn) mutex()     { w.mu.Lock(); defer w.mu.Unlock() }
func (w *stuckIn) waitGroup() { w.wg.Wait() }
func (w *stuckIn) sleep()     { time.Sleep(stuckGrace + 500*time.Millisecond) } // returns by itself

// The report says what a stuck handler waits for: the server's step shows the handler's goroutine and
// not one of this package.
func TestStuckHandlerIsInTheReport(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wait  func(*stuckIn)
		wants [2]string // the function that waits, and the function of the handler that has called it
	}{
		{"mutex", (*stuckIn).mutex, [2]string{"sync.(*Mutex).Lock", "stuckIn).mutex"}},
		{"wait group", (*stuckIn).waitGroup, [2]string{"sync.(*WaitGroup).Wait", "stuckIn).waitGroup"}},
		{"sleep", (*stuckIn).sleep, [2]string{"time.Sleep", "stuckIn).sleep"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var w stuckIn
			w.mu.Lock()
			w.wg.Add(1)
			entered, returned := make(chan struct{}), make(chan struct{})
			p := run(t, stuckGrace, 0, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				defer close(returned)
				close(entered)
				tt.wait(&w)
			})})
			p.s.dial().get("/")
			<-entered
			p.Stop(nil)
			r := p.ended(t)
			w.mu.Unlock()
			w.wg.Done()
			<-returned
			got := httpStep(t, r)
			for _, want := range append(tt.wants[:], "httpdrain/stuck_test.go:") {
				if !strings.Contains(got.WaitsFor, want) {
					t.Errorf("WaitsFor = %q, want it to contain %q", got.WaitsFor, want)
				}
			}
		})
	}
}

// httpStep returns the step of the server.
func httpStep(t *testing.T, r *shutdown.Report) shutdown.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == "http" {
			return s
		}
	}
	t.Fatalf("no step named http in the report:\n%v", r)
	return shutdown.Step{}
}
