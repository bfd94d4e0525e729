package grpcdrain_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

// The report says which RPCs hang, and what was cut off.
func TestDeafRPCs(t *testing.T) {
	const streams = 1000
	bubble(t, "the task ends in time and names methods", func(t *testing.T) {
		release := make(chan struct{})
		p := start(t, serve(&echo{
			stream: func(grpc.ServerStream) error { <-release; return nil },
			unary:  func(_ context.Context, text string) (string, error) { <-release; return text, nil },
		}))
		cc := p.client()
		for range streams {
			p.open(cc)
		}
		inFlight(cc)
		r, took := p.ended()
		want := "grpcdrain: 1001 RPCs cut off: 1000 /echo.Echo/Stream oldest 9.5s, 1 /echo.Echo/Unary oldest 9.5s; " +
			"from bufconn (1001); 1001 handlers still running"
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), want) || took > grace {
			t.Errorf("after %v the error is\n%v, want\n%v", took, err, want)
		}
		if got := r.Steps[0]; got.Outcome == shutdown.OutcomeAbandoned || got.Status != "1001 RPCs cut off" {
			t.Errorf("outcome = %v, status = %q", got.Outcome, got.Status)
		}
		close(release)
		synctest.Wait()
	})
	bubble(t, "a server of grpc.NewServer", func(t *testing.T) {
		release := make(chan struct{})
		srv := grpc.NewServer()
		srv.RegisterService(&echoService, &echo{unary: func(ctx context.Context, text string) (string, error) {
			if grpcdrain.Draining(ctx) != nil {
				t.Error("there is a channel of Draining")
			}
			<-release
			return text, nil
		}})
		p := start(t, srv)
		inFlight(p.client())
		r, took := p.ended()
		want := "grpcdrain: 1 connection closed at the deadline; from bufconn (1); the RPCs are unknown, since the server was not made by grpcdrain.NewServer"
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), want) || took > grace {
			t.Errorf("after %v the error is\n%v, want\n%v", took, err, want)
		}
		close(release)
	})
}

// While the drain waits, the step's status names methods and ages.
func TestStatus(t *testing.T) {
	bubble(t, "the log names what is in flight", func(t *testing.T) {
		var mu sync.Mutex
		var waits []string
		c := &shutdown.Coordinator{Grace: grace, Observe: func(e shutdown.Event) {
			if w, ok := e.(shutdown.Waiting); ok {
				mu.Lock()
				defer mu.Unlock()
				waits = append(waits, w.Steps[len(w.Steps)-1].Status)
			}
		}}
		p := startFor(t, c, serve(&echo{unary: takes(3 * time.Second), stream: func(s grpc.ServerStream) error {
			time.Sleep(4500 * time.Millisecond)
			return nil
		}}))
		cc := p.client()
		for range 8 {
			p.open(cc)
		}
		synctest.Wait()
		time.Sleep(200 * time.Millisecond)
		inFlight(cc)
		p.clean(4300 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if len(waits) != 2 {
			t.Fatalf("%d progress lines: %q", len(waits), waits)
		}
		for i, want := range []string{"9 RPCs in flight: 8 /echo.Echo/Stream oldest ", "9 RPCs in flight: 8 /echo.Echo/Stream oldest "} {
			if !strings.HasPrefix(waits[i], want) || !strings.Contains(waits[i], ", 1 /echo.Echo/Unary oldest ") || !strings.HasSuffix(waits[i], "; 1 connection open") {
				t.Errorf("progress line %d is %q", i, waits[i])
			}
		}
	})
}
