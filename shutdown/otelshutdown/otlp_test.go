package otelshutdown_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
)

var drains = flag.Int("drains", 4, "how often TestNothingIsLost stops a program")

// drainProgram runs a program that makes spans and a log record and returns.
func drainProgram(p otelshutdown.Providers, grace time.Duration, spans, handlers int, opts ...shutdown.Option) *shutdown.Report {
	nop := zerolog.Nop()
	c := &shutdown.Coordinator{Grace: grace, Signals: []os.Signal{}, Logger: &nop}
	otelshutdown.Register(c, p, opts...)
	for range handlers {
		c.Register(nothing)
	}
	return c.Run(context.Background(), func(ctx context.Context) error {
		tracer := p.Tracer.Tracer("program")
		for range spans {
			_, span := tracer.Start(ctx, "request")
			span.End()
		}
		p.Logger.Logger("program").Emit(ctx, log.Record{})
		return nil
	})
}

// A program stops with 10 000 spans in its queue. With a healthy collector none is lost, and none of
// the drain's own. Run it with -drains 1000 after a change.
func TestNothingIsLost(t *testing.T) {
	const spans = 10_000
	col := newCollector(t)
	began := time.Now()
	exported := 0
	for i := range *drains {
		col.reset()
		handlers := []int{0, 3, 600, 1500}[i%4]
		r := drainProgram(col.providers(t, i%2 == 0, spans), 2*time.Minute, spans, handlers)
		if err := r.Err(); err != nil {
			t.Fatalf("drain %d: %v", i, err)
		}
		want := received{Spans: spans + 2 + handlers, OfDrain: 2 + handlers, Metrics: 3, Records: 1}
		if d := cmp.Diff(want, col.received()); d != "" {
			t.Fatalf("drain %d: received (-want +got):\n%s", i, d)
		}
		exported += want.Spans
	}
	t.Logf("%d drains, %d spans in %v", *drains, exported, time.Since(began).Round(ms))
}

// A fault of the collector costs its signal and time, and nothing else. TestFaults has the exact
// times. Here they are long, so that a machine that is busy for seconds makes no difference.
func TestCollector(t *testing.T) {
	const grace = 10 * s
	lost := []string{"tracer provider: flush: ", "\n13 of the drain's 13 spans were not exported"}
	all := received{Spans: 1013, OfDrain: 13, Metrics: 3, Records: 1}
	for name, test := range map[string]struct {
		down   bool
		answer func(t *testing.T) func(ctx context.Context, signal string) error
		want   received
		err    []string // parts of the error
	}{
		"is down":                        {down: true, err: append(lost, "meter provider: shutdown: ", "logger provider: flush: ")},
		"is slow":                        {answer: slow, want: all},
		"hangs":                          {answer: hangs, want: received{Metrics: 3, Records: 1}, err: lost},
		"is unavailable, and comes back": {answer: comesBack, want: all},
		"refuses metrics and logs": {
			answer: refuses, want: received{Spans: 1013, OfDrain: 13},
			err: []string{"meter provider: shutdown: not finished after ", "logger provider: flush: not finished after "},
		},
	} {
		for _, protocol := range []string{"http", "grpc"} { // of traces
			if name == "refuses metrics and logs" && protocol == "grpc" {
				continue
			}
			t.Run(name+", "+protocol, func(t *testing.T) {
				t.Parallel()
				col := newCollector(t)
				if test.answer != nil {
					col.answer = test.answer(t)
				}
				if test.down {
					col.stop()
				}
				r := drainProgram(col.providers(t, protocol == "grpc", 2048), grace, 1000, 11)
				if r.Took > 2*grace {
					t.Errorf("the program stopped after %v, with a grace period of %v", r.Took, grace)
				}
				got := step(t, r, "telemetry")
				if failed := got.Outcome != shutdown.OutcomeOK; failed != (test.err != nil) || got.Outcome == shutdown.OutcomeAbandoned {
					t.Errorf("telemetry: %v, %v", got.Outcome, got.Err)
				}
				for _, part := range test.err {
					if !strings.Contains(fmt.Sprint(got.Err), part) {
						t.Errorf("the error is\n%v\nwithout %q", got.Err, part)
					}
				}
				t.Logf("took %v: %v", got.Took.Round(ms), got.Err)
				if d := cmp.Diff(test.want, col.received()); d != "" {
					t.Errorf("received (-want +got):\n%s", d)
				}
			})
		}
	}
}

func slow(*testing.T) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error { return takes(200 * ms)(ctx) }
}

// hangs does not answer requests with traces.
func hangs(t *testing.T) func(context.Context, string) error {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	return func(_ context.Context, signal string) error {
		if signal == "traces" {
			<-release
		}
		return nil
	}
}

// comesBack refuses all requests for a while.
func comesBack(*testing.T) func(context.Context, string) error {
	began := time.Now()
	return func(context.Context, string) error {
		if time.Since(began) < 300*ms {
			return errors.New("restarting")
		}
		return nil
	}
}

func refuses(*testing.T) func(context.Context, string) error {
	return func(_ context.Context, signal string) error {
		if signal == "traces" {
			return nil
		}
		return errors.New("no quota")
	}
}

// A batch processor whose exporter ignores its context holds a lock.
func TestExporterIgnoresContext(t *testing.T) {
	t.Parallel()
	m := &telemetry{release: make(chan struct{})}
	m.traces = m.hangs
	p := m.providers(sdktrace.WithSampler(sdktrace.AlwaysSample()))
	r := drainProgram(p, 20*s, 1, 0, shutdown.Timeout(5*s))
	if r.Took > 15*s {
		t.Errorf("the program stopped after %v, with a timeout of 5s", r.Took)
	}
	close(m.release)
	_ = m.batch.Shutdown(context.Background())
	got := step(t, r, "telemetry")
	for _, part := range []string{"tracer provider: flush: not finished after ", "tracer provider: shutdown: ", "2 of the drain's 2 spans were not exported"} {
		if !strings.Contains(fmt.Sprint(got.Err), part) {
			t.Errorf("the error is\n%v\nwithout %q", got.Err, part)
		}
	}
	if _, data, records := m.got(); len(data) != 1 || records != 2 {
		t.Errorf("metrics exported %d times, %d log records", len(data), records)
	}
}
