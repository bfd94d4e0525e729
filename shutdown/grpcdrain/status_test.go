package grpcdrain_test

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

// The report says which RPCs hang, and what was cut short.
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
		want := "grpcdrain: 1001 RPCs cut short: 1000 /echo.Echo/Stream oldest 9.5s, 1 /echo.Echo/Unary oldest 9.5s; " +
			"from bufconn (1001); 1001 handlers still running"
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), want) || took > grace {
			t.Errorf("after %v the error is\n%v, want\n%v", took, err, want)
		}
		if got := r.Steps[0]; got.Outcome == shutdown.OutcomeAbandoned || got.Status != "1001 RPCs cut short" {
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

// A client that reads late, or not at all, fails the task only if it had the time to read.
func TestLastResponses(t *testing.T) {
	// respond starts a program whose handler ends after d with a response of so many bytes, and
	// opens a stream.
	respond := func(t *testing.T, grace, d time.Duration, bytes int) (*program, grpc.ClientStream) {
		p := startFor(t, &shutdown.Coordinator{Grace: grace}, serve(&echo{stream: func(s grpc.ServerStream) error {
			time.Sleep(d)
			return s.SendMsg(wrapperspb.String(strings.Repeat("x", bytes)))
		}}))
		stream := p.open(p.client())
		synctest.Wait()
		return p, stream
	}
	bubble(t, "a response shortly before the end, and a distant client", func(t *testing.T) {
		p, _ := respond(t, grace, 9100*time.Millisecond, 1<<20)
		r, _ := p.ended()
		want, short := "1 RPC cut short; 1 connection closed whose client had not left", "grpcdrain: 1 RPC cut short: 1 /echo.Echo/Stream oldest 9.3s; from bufconn (1)"
		if r.Steps[0].Err == nil || r.Steps[0].Err.Error() != short || r.Steps[0].Status != want {
			t.Errorf("status = %q, want %q; error = %v, want %q", r.Steps[0].Status, want, r.Steps[0].Err, short)
		}
	})
	bubble(t, "a client that does not read for less than 7 s", func(t *testing.T) {
		p, stream := respond(t, 4*time.Second, 0, 1<<20)
		r, _ := p.ended()
		if want := "1 connection closed whose client had not left"; r.Err() != nil || r.Steps[0].Status != want {
			t.Errorf("status = %q, want %q; error = %v", r.Steps[0].Status, want, r.Err())
		}
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); status.Code(err) != codes.Unavailable {
			t.Errorf("the client got %v", err)
		}
	})
}

// An RPC that ends because its context does is cut short at the deadline, and hurried after a second
// signal.
func TestRPCsWhoseContextsEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		second  bool
		outcome shutdown.Outcome
		want    string
		err     string
	}{
		"at the deadline": {
			false, shutdown.OutcomeLate, "1 RPC finished; 2 RPCs cut short",
			"grpcdrain: 2 RPCs cut short: 2 /echo.Echo/Stream oldest 9s; from bufconn (2)",
		},
		"after a second signal": {true, shutdown.OutcomeOK, "3 RPCs finished, 2 of them hurried", ""},
	} {
		bubble(t, name, func(t *testing.T) {
			p := start(t, serve(&echo{
				unary: takes(time.Second),
				stream: func(s grpc.ServerStream) error {
					<-s.Context().Done()
					return context.Cause(s.Context())
				},
			}))
			cc := p.client()
			p.open(cc)
			p.open(cc)
			inFlight(cc)
			p.Signal(syscall.SIGTERM)
			time.Sleep(2 * time.Second)
			if tc.second {
				p.Signal(syscall.SIGTERM)
			}
			step, text := p.Wait().Steps[0], ""
			if step.Err != nil {
				text = step.Err.Error()
			}
			if step.Outcome != tc.outcome || step.Status != tc.want || text != tc.err {
				t.Errorf("%v, %q, %q\nwant %v, %q, %q", step.Outcome, step.Status, text, tc.outcome, tc.want, tc.err)
			}
		})
	}
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
