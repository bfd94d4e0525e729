package otelshutdown_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A provider that fails or hangs is named, and the others are flushed.
func TestFaults(t *testing.T) {
	const lost = "2 of the drain's 2 spans were not exported"
	for name, test := range map[string]struct {
		traces, metrics, logs func(m *telemetry) way
		took                  time.Duration
		want                  string
		processor             bool // it is the span processor that behaves like this
	}{
		"traces fail":  {traces: use(fails), want: "tracer provider: flush: the collector is on fire\n" + lost},
		"metrics fail": {metrics: use(fails), want: "meter provider: shutdown: the collector is on fire"},
		"logs fail":    {logs: use(fails), want: "logger provider: flush: the collector is on fire"},
		"all fail": {traces: use(fails), metrics: use(fails), logs: use(fails), want: "tracer provider: flush: the collector is on fire\n" +
			"meter provider: shutdown: the collector is on fire\nlogger provider: flush: the collector is on fire\n" + lost},

		// The grace period is 5 s, so the handler's deadline is at 4.75 s.
		"traces wait": {
			traces: use(waits), took: 3800 * ms,
			want: "tracer provider: flush: not finished after 3.8s\n" + lost,
		},
		"metrics wait": {
			metrics: use(waits), took: 4275 * ms,
			want: "meter provider: shutdown: not finished after 4.275s",
		},
		"logs wait": {
			logs: use(waits), took: 3800 * ms,
			want: "logger provider: flush: not finished after 3.8s",
		},
		"traces ignore the context": {
			processor: true, traces: (*telemetry).hanging, took: 4512500 * time.Microsecond,
			want: "tracer provider: flush: has not returned after 4.513s\n" + lost,
		},
		"metrics ignore the context": {
			metrics: (*telemetry).hanging, took: 4512500 * time.Microsecond,
			want: "meter provider: shutdown: has not returned after 4.513s",
		},
		"logs ignore the context": {
			logs: (*telemetry).hanging, took: 4275 * ms,
			want: "logger provider: flush: not finished after 3.8s\n" +
				"logger provider: shutdown: not finished after 475ms",
		},

		"traces take long":  {traces: use(takes(s)), took: 2 * s},
		"metrics take long": {metrics: use(takes(4 * s)), took: 4 * s},
		"logs take long":    {logs: use(takes(3 * s)), took: 3 * s},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				set := func(w *way, f func(m *telemetry) way) {
					if f != nil {
						*w = f(m)
					}
				}
				set(&m.traces, test.traces)
				set(&m.metrics, test.metrics)
				set(&m.logs, test.logs)
				r := drain(t, func(c *shutdown.Coordinator) { otelshutdown.Register(c, m.providers(m.processor(test.processor)...)) })
				wantStep(t, r, test.took, test.want)
				spans, data, records := m.got()
				ok := func(part string) bool { return !strings.Contains(test.want, part) }
				if ok("tracer") && len(spans) != 3 || ok("meter") && len(data) != 1 || ok("logger") && records != 1 {
					t.Errorf("exported: %d spans, metrics %d times, %d log records", len(spans), len(data), records)
				}
			})
		})
	}
}

// processor returns the option of a processor whose ForceFlush behaves like the exporter of traces.
// The batch processor waits for a mutex when an exporter ignores its context. In a bubble time does
// not pass then.
func (m *telemetry) processor(wanted bool) (opts []sdktrace.TracerProviderOption) {
	if !wanted {
		return nil
	}
	w := m.traces
	m.traces = works
	return append(opts, sdktrace.WithSpanProcessor(flusher{w}))
}

// A flusher is a span processor that only has a ForceFlush.
type flusher struct{ way way }

func (flusher) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (flusher) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (flusher) Shutdown(context.Context) error                  { return nil }
func (f flusher) ForceFlush(ctx context.Context) error          { return f.way(ctx) }

func use(w way) func(*telemetry) way { return func(*telemetry) way { return w } }

func (m *telemetry) hanging() way { return m.hangs }

// wantStep expects that the handler took this time, and returned this error.
func wantStep(t *testing.T, r *shutdown.Report, took time.Duration, want string) {
	t.Helper()
	got, outcome := step(t, r, "telemetry"), shutdown.OutcomeFailed
	if want == "" {
		outcome = shutdown.OutcomeOK
	}
	if got.Outcome != outcome || got.Took != took {
		t.Errorf("telemetry: %v after %v, want %v after %v", got.Outcome, got.Took, outcome, took)
	}
	text := ""
	if got.Err != nil {
		text = got.Err.Error()
	}
	if text != want {
		t.Errorf("the error is\n%s\nwant\n%s", text, want)
	}
}

// A second signal leaves the flush a moment.
func TestSecondSignal(t *testing.T) {
	for name, test := range map[string]struct {
		traces func(m *telemetry) way
		took   time.Duration
		want   string
	}{
		"answers in time": {use(takes(1 * s)), 2 * s, ""},
		"waits": {
			use(waits), 2222 * ms, // 0.8 of half of the minimum, less a margin
			"tracer provider: flush: not finished after 2.222s\n2 of the drain's 2 spans were not exported",
		},
		"ignores the context": {
			(*telemetry).hanging, 2357375 * time.Microsecond,
			"tracer provider: flush: has not returned after 2.357s\n2 of the drain's 2 spans were not exported",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				m.traces = test.traces(m)
				c := shutdowntest.New(t)
				otelshutdown.Register(c, m.providers(m.processor(true)...))
				p := shutdowntest.Start(t, c, untilTold)
				synctest.Wait()
				p.Signal(os.Interrupt)
				time.Sleep(1500 * ms)
				p.Signal(os.Interrupt)
				wantStep(t, p.Wait(), test.took, test.want)
			})
		})
	}
}

// A second signal leaves the handler its minimum, which may have been reduced: it is not abandoned.
func TestSecondSignalWithManyReserves(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		m.traces = waits
		c := shutdowntest.New(t)
		c.Grace = 20 * s
		otelshutdown.Register(c, m.providers())
		for range 12 {
			c.Register(nothing, shutdown.Reserve(4*s))
		}
		p := shutdowntest.Start(t, c, untilTold)
		synctest.Wait()
		p.Signal(os.Interrupt)
		time.Sleep(s)
		p.Signal(os.Interrupt)
		got := step(t, p.Wait(), "telemetry")
		if got.Outcome != shutdown.OutcomeFailed || !strings.HasSuffix(fmt.Sprint(got.Err), "14 of the drain's 14 spans were not exported") {
			t.Errorf("%v after %v: %v", got.Outcome, got.Took, got.Err)
		}
	})
}

// After a second signal that came before its turn, the handler has its reserve.
func TestReserve(t *testing.T) {
	for name, test := range map[string]struct {
		opts []shutdown.Option
		took time.Duration
	}{
		"2s by default":      {nil, 1520 * ms},
		"of the options":     {[]shutdown.Option{shutdown.Reserve(3 * s)}, 2280 * ms},
		"Timeout, and hangs": {[]shutdown.Option{shutdown.Timeout(500 * ms)}, 380 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				m.traces = waits
				c := shutdowntest.New(t)
				c.Grace = 20 * s
				otelshutdown.Register(c, m.providers(), test.opts...)
				c.Register(func(context.Context) error { time.Sleep(s); return nil }, shutdown.Name("slow"))
				p := shutdowntest.Start(t, c, untilTold)
				synctest.Wait()
				p.Signal(os.Interrupt)
				p.Signal(os.Interrupt)
				if got := step(t, p.Wait(), "telemetry"); got.Took != test.took {
					t.Errorf("telemetry took %v, want %v", got.Took, test.took)
				}
			})
		})
	}
}

// The spans of a drain with many steps fit into the queue of a batch processor. If they are not
// exported, all of them are counted.
func TestManySteps(t *testing.T) {
	const steps = 3000
	for name, test := range map[string]struct {
		traces   func(m *telemetry) way
		exported int
		want     string
		took     time.Duration
	}{
		// The processor takes no spans from its queue while it exports. One export is of the program's own spans.
		"takes 1ms": {use(takes(ms)), steps + 2, "", 7 * ms},
		"fails":     {use(fails), 0, "tracer provider: flush: the collector is on fire\n3002 of the drain's 3002 spans were not exported", 0},
		"fails from the fourth time on": {
			use(failsAfter(3)), 2 * 511,
			"tracer provider: flush: the collector is on fire\n1980 of the drain's 3002 spans were not exported", 0,
		},
		"fails at first": {
			use(worksAfter(3)), steps + 2 - 2*511,
			"tracer provider: flush: the collector is on fire\n1022 of the drain's 3002 spans were not exported", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				m.traces = test.traces(m)
				r := drain(t, func(c *shutdown.Coordinator) {
					otelshutdown.Register(c, m.providers())
					for range steps {
						c.Register(nothing)
					}
				})
				wantStep(t, r, test.took, test.want)
				if got := len(m.drainSpans()); got != test.exported {
					t.Errorf("%d spans of the drain exported, want %d", got, test.exported)
				}
			})
		})
	}
}

func failsAfter(n int) way {
	return func(context.Context) error {
		if n--; n < 0 {
			return errExport
		}
		return nil
	}
}

func worksAfter(n int) way {
	return func(context.Context) error {
		if n--; n >= 0 {
			return errExport
		}
		return nil
	}
}
