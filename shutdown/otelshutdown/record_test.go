package otelshutdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A span has the fields of a span that tests compare.
type span struct {
	Name       string
	Start, End time.Duration // since t0
	Attributes map[string]any
	Status     sdktrace.Status
	Events     []event
}

type event struct {
	Name       string
	At         time.Duration
	Attributes map[string]any
}

func attributes(list []attribute.KeyValue) map[string]any {
	m := make(map[string]any, len(list))
	for _, kv := range list {
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

func describe(s sdktrace.ReadOnlySpan, t0 time.Time) span {
	d := span{Name: s.Name(), Start: s.StartTime().Sub(t0), End: s.EndTime().Sub(t0), Attributes: attributes(s.Attributes()), Status: s.Status()}
	for _, e := range s.Events() {
		d.Events = append(d.Events, event{e.Name, e.Time.Sub(t0), attributes(e.Attributes)})
	}
	return d
}

// program is a program with steps of each kind, one of which hangs, one panics and one fails.
func program(m *telemetry, c *shutdown.Coordinator) func(context.Context) error {
	c.Register(func(context.Context) error { return errors.New("disk full") }, shutdown.Name("db"))
	c.Register(func(context.Context) error { panic("oops") }, shutdown.Name("cache"))
	c.Register(m.hangs, shutdown.Name("stuck"), shutdown.Timeout(s))
	return func(ctx context.Context) error {
		release, _ := c.Hold("upload")
		var g group.Group
		g.Go("worker", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(250 * ms)
			shutdown.SetStatus(ctx, "1 job finished")
			release()
			return nil
		})
		return g.Run(ctx)
	}
}

func TestSpans(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		c := shutdowntest.New(t)
		c.Grace, c.Delay = 10*s, s
		otelshutdown.Register(c, m.providers())
		p := shutdowntest.Start(t, c, program(m, c))
		synctest.Wait()
		p.Signal(os.Interrupt)
		r := p.Wait()
		if got := step(t, r, "telemetry"); got.Outcome != shutdown.OutcomeOK {
			t.Errorf("telemetry: %v, %v", got.Outcome, got.Err)
		}
		const cause = "received signal interrupt"
		stack := step(t, r, "stuck").Stack
		if !strings.Contains(stack, "hangs") {
			t.Errorf("the stack of the handler that hangs is %q", stack)
		}
		failed := func(text string) sdktrace.Status { return sdktrace.Status{Code: codes.Error, Description: text} }
		want := []span{
			{Name: "shutdown", End: 2250 * ms, Attributes: map[string]any{
				"lastcall.shutdown.cause": cause, "lastcall.shutdown.grace_period": 10.0, "lastcall.shutdown.delay": 1.0,
				"lastcall.shutdown.forced": false,
			}, Status: failed("3 of 6 steps failed")},
			{Name: "main", Start: s, End: 1250 * ms, Attributes: ofStep("main", "main", "ok")},
			{Name: "hold upload", Start: s, End: 1250 * ms, Attributes: ofStep("hold", "upload", "ok")},
			{Name: "task worker", Start: s, End: 1250 * ms, Attributes: ofStep("task", "worker", "ok", "lastcall.step.status", "1 job finished")},
			{
				Name: "handler stuck", Start: 1250 * ms, End: 2250 * ms,
				Attributes: ofStep("handler", "stuck", "abandoned", "lastcall.step.waits_for", step(t, r, "stuck").WaitsFor),
				Status:     failed("still running 1s after it was told to stop"),
				Events: []event{{"exception", 2250 * ms, map[string]any{
					"exception.type": "*group.StuckError", "exception.message": "still running 1s after it was told to stop", "exception.stacktrace": stack,
				}}},
			},
			{
				Name: "handler cache", Start: 2250 * ms, End: 2250 * ms, Attributes: ofStep("handler", "cache", "panicked"),
				Status: failed("panic: oops"),
				Events: []event{{"exception", 2250 * ms, map[string]any{
					"exception.type": "*group.PanicError", "exception.message": "panic: oops", "exception.stacktrace": step(t, r, "cache").Stack,
				}}},
			},
			{
				Name: "handler db", Start: 2250 * ms, End: 2250 * ms, Attributes: ofStep("handler", "db", "failed"),
				Status: failed("disk full"),
				Events: []event{{"exception", 2250 * ms, map[string]any{"exception.type": "*errors.errorString", "exception.message": "disk full"}}},
			},
		}
		var got []span
		spans := m.drainSpans()
		for _, s := range spans {
			d := describe(s, r.Began)
			if site, ok := d.Attributes["lastcall.step.site"].(string); ok && !strings.Contains(site, ".go:") {
				t.Errorf("the site of %s is %q", d.Name, site)
			}
			delete(d.Attributes, "lastcall.step.site")
			got = append(got, d)
		}
		byStep := cmpopts.SortSlices(func(a, b span) bool { return a.Name < b.Name })
		if d := cmp.Diff(want, got, byStep); d != "" {
			t.Errorf("spans (-want +got):\n%s", d)
		}
		root := spans[0].SpanContext()
		for _, s := range spans[1:] {
			if s.Parent().SpanID() != root.SpanID() || s.SpanContext().TraceID() != root.TraceID() {
				t.Errorf("%s is no child of %s", s.Name(), spans[0].Name())
			}
		}
	})
}

// ofStep returns the attributes of the span of a step.
func ofStep(kind, name, outcome string, more ...string) map[string]any {
	m := map[string]any{
		"lastcall.shutdown.cause": "received signal interrupt",
		"lastcall.step.kind":      kind, "lastcall.step.name": name, "lastcall.step.outcome": outcome,
	}
	if outcome != "ok" {
		m["error.type"] = outcome
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		c := shutdowntest.New(t)
		c.Grace, c.Delay = 10*s, s
		otelshutdown.Register(c, m.providers())
		p := shutdowntest.Start(t, c, program(m, c))
		synctest.Wait()
		p.Signal(os.Interrupt)
		p.Wait()
		_, data, records := m.got()
		want := []string{
			"lastcall.shutdown.duration s {}: 1 of 2.25",
			"lastcall.shutdown.time_left s {}: 7.75",
			"lastcall.step.duration s {handler abandoned}: 1 of 1",
			"lastcall.step.duration s {handler failed}: 1 of 0",
			"lastcall.step.duration s {handler panicked}: 1 of 0",
			"lastcall.step.duration s {hold ok}: 1 of 0.25",
			"lastcall.step.duration s {main ok}: 1 of 0.25",
			"lastcall.step.duration s {task ok}: 1 of 0.25",
			"requests  {}: 1",
		}
		if len(data) != 1 {
			t.Fatalf("%d exports of metrics, want 1", len(data))
		}
		if d := cmp.Diff(want, points(&data[0]), cmpopts.SortSlices(strings.Compare)); d != "" {
			t.Errorf("metrics (-want +got):\n%s", d)
		}
		if records != 1 {
			t.Errorf("%d log records exported, want 1", records)
		}
		if n := m.shutDown.Load(); n != 3 {
			t.Errorf("%d exporters were shut down, want 3", n)
		}
	})
}

// points returns a line for each data point.
func points(data *metricdata.ResourceMetrics) (lines []string) {
	add := func(m metricdata.Metrics, set attribute.Set, value string) {
		var values []string
		for _, key := range []attribute.Key{"lastcall.step.kind", "lastcall.step.outcome"} {
			if v, ok := set.Value(key); ok {
				values = append(values, v.AsString())
			}
		}
		lines = append(lines, fmt.Sprintf("%s %s {%s}: %s", m.Name, m.Unit, strings.Join(values, " "), value))
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(m, p.Attributes, fmt.Sprintf("%d of %v", p.Count, p.Sum))
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					add(m, p.Attributes, fmt.Sprint(p.Value))
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(m, p.Attributes, fmt.Sprint(p.Value))
				}
			}
		}
	}
	return lines
}

// A failing cause is the status of the root, and a second signal its attribute.
func TestRoot(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		c := shutdowntest.New(t)
		otelshutdown.Register(c, m.providers())
		p := shutdowntest.Start(t, c, func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(s)
			return nil
		})
		synctest.Wait()
		p.Stop(errors.New("lost the lease"))
		p.Signal(os.Interrupt)
		p.Signal(os.Interrupt)
		r := p.Wait()
		root := describe(m.drainSpans()[0], r.Began)
		if root.Name != "shutdown" || root.Status != (sdktrace.Status{Code: codes.Error, Description: "lost the lease"}) {
			t.Errorf("the root is %+v", root)
		}
		if root.Attributes["lastcall.shutdown.forced"] != true {
			t.Errorf("attributes of the root: %v", root.Attributes)
		}
	})
}

// A brokenError panics when it is asked for its text.
type brokenError struct{}

func (brokenError) Error() string { panic("no text") }

func TestErrorThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		r := drain(t, func(c *shutdown.Coordinator) {
			otelshutdown.Register(c, m.providers())
			c.Register(func(context.Context) error { return brokenError{} }, shutdown.Name("broken"))
		})
		if got := step(t, r, "telemetry"); got.Err != nil {
			t.Errorf("telemetry: %v", got.Err)
		}
		if n := len(m.drainSpans()); n != 3 { // the root, main, the handler
			t.Errorf("%d spans, want 3", n)
		}
	})
}

// onlySteps samples the spans of steps, but not the root.
type onlySteps struct{}

func (onlySteps) Description() string { return "onlySteps" }
func (onlySteps) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Name == "shutdown" {
		return sdktrace.SamplingResult{Decision: sdktrace.Drop}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
}

// noHandlers drops the spans of handlers.
type noHandlers struct{ onlySteps }

func (noHandlers) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if strings.HasPrefix(p.Name, "handler ") {
		return sdktrace.SamplingResult{Decision: sdktrace.Drop}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
}

func TestSampler(t *testing.T) {
	for name, test := range map[string]struct {
		sampler sdktrace.Sampler
		exports int    // spans of the drain
		lost    string // what the error says if the exporter fails
	}{
		"always":             {sdktrace.AlwaysSample(), 5, "5 of the drain's 5 spans were not exported"},
		"never":              {sdktrace.NeverSample(), 0, ""},
		"parent-based ratio": {sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0)), 0, ""},
		"steps only":         {onlySteps{}, 4, "4 of the drain's 4 spans were not exported"},
		"no handlers":        {noHandlers{}, 2, "2 of the drain's 2 spans were not exported"},
	} {
		for _, answer := range []struct {
			name string
			way  way
		}{{"works", works}, {"fails", fails}} {
			t.Run(name+", the exporter "+answer.name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, m *telemetry) {
					m.traces = answer.way
					r := drain(t, func(c *shutdown.Coordinator) {
						otelshutdown.Register(c, m.providers(sdktrace.WithSampler(test.sampler)))
						for range 3 {
							c.Register(nothing)
						}
					})
					want, lost := test.exports, ""
					if answer.name == "fails" {
						want, lost = 0, test.lost
					}
					if got := len(m.drainSpans()); got != want {
						t.Errorf("%d spans of the drain exported, want %d", got, want)
					}
					err := step(t, r, "telemetry").Err
					if got := fmt.Sprint(err); lost == "" && strings.Contains(got, "spans") || !strings.Contains(got, lost) {
						t.Errorf("the error is %q, want %q in it", got, lost)
					}
					if _, data, _ := m.got(); len(data) != 1 || len(points(&data[0])) != 5 {
						t.Errorf("metrics: %v", data)
					}
				})
			})
		}
	}
}
