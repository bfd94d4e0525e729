package otelshutdown_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// Exporters that export on the goroutine of their caller may panic, or end it.
func TestPanic(t *testing.T) {
	panics := func(context.Context) error { panic("oops") }
	goexits := func(context.Context) error { runtime.Goexit(); return nil }
	for name, test := range map[string]struct {
		traces, metrics, logs way
		want                  string
	}{
		"traces": {traces: panics, want: "tracer provider: flush: panic: oops\n2 of the drain's 2 spans were not exported"},
		"traces, Goexit": {
			traces: goexits,
			want:   "tracer provider: flush: " + group.ErrGoexit.Error() + "\n2 of the drain's 2 spans were not exported",
		},
		"metrics": {metrics: panics, want: "meter provider: shutdown: panic: oops"},
		"logs":    {logs: panics, want: "logger provider: flush: panic: oops\nlogger provider: shutdown: panic: oops"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				p := m.providers()
				if test.traces != nil {
					_ = p.Tracer.Shutdown(context.Background())
					p.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanExporter{m}))
				}
				if test.logs != nil {
					_ = p.Logger.Shutdown(context.Background())
					p.Logger = sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(flushes{logExporter{m}})))
				}
				m.shutDown.Store(0)
				m.traces, m.metrics, m.logs = test.traces, test.metrics, test.logs
				r := drain(t, func(c *shutdown.Coordinator) { otelshutdown.Register(c, p) })
				wantStep(t, r, 0, test.want)
				var panicked *group.PanicError
				if !strings.Contains(name, "Goexit") && (!errors.As(step(t, r, "telemetry").Err, &panicked) || !regexp.MustCompile(`providers_test\.go`).Match(panicked.Stack)) {
					t.Errorf("the error has no stack of the panic")
				}
				want := int32(3)
				if test.traces == nil { // the panic ended the Shutdown of the others
					want = 2
				}
				if n := m.shutDown.Load(); n != want {
					t.Errorf("%d exporters were shut down, want %d", n, want)
				}
			})
		})
	}
}

// flushes is a log exporter that exports in ForceFlush.
type flushes struct{ logExporter }

func (e flushes) ForceFlush(ctx context.Context) error { return e.Export(ctx, nil) }

func TestProviders(t *testing.T) {
	for name, test := range map[string]struct {
		pick   func(p otelshutdown.Providers) otelshutdown.Providers
		status string
		want   string
	}{
		"none":   {func(otelshutdown.Providers) otelshutdown.Providers { return otelshutdown.Providers{} }, "no providers, nothing exported", ""},
		"tracer": {func(p otelshutdown.Providers) otelshutdown.Providers { return otelshutdown.Providers{Tracer: p.Tracer} }, "", "3 0 0"},
		"meter":  {func(p otelshutdown.Providers) otelshutdown.Providers { return otelshutdown.Providers{Meter: p.Meter} }, "", "0 1 0"},
		"logger": {func(p otelshutdown.Providers) otelshutdown.Providers { return otelshutdown.Providers{Logger: p.Logger} }, "", "0 0 1"},
		"without exporters": {func(otelshutdown.Providers) otelshutdown.Providers {
			return otelshutdown.Providers{Tracer: sdktrace.NewTracerProvider(), Meter: sdkmetric.NewMeterProvider(), Logger: sdklog.NewLoggerProvider()}
		}, "", "0 0 0"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				all := m.providers()
				r := drain(t, func(c *shutdown.Coordinator) { otelshutdown.Register(c, test.pick(all)) })
				wantStep(t, r, 0, "")
				if got := step(t, r, "telemetry").Status; got != test.status {
					t.Errorf("the status is %q, want %q", got, test.status)
				}
				spans, data, records := m.got()
				if got := fmt.Sprint(len(spans), len(data), records); test.want != "" && got != test.want {
					t.Errorf("exported: %s, want %s", got, test.want)
				}
				for _, err := range []error{all.Tracer.Shutdown(t.Context()), all.Logger.Shutdown(t.Context())} {
					if err != nil {
						t.Error(err)
					}
				}
				_ = all.Meter.Shutdown(t.Context())
			})
		})
	}
}

// A provider that somebody else has shut down is no reason to lose the others, and the error names it.
func TestShutDownBefore(t *testing.T) {
	const again = ": flush: was shut down before; leave that to this handler"
	for name, test := range map[string]struct {
		shutDown func(otelshutdown.Providers) error
		want     string
		spans    int
	}{
		"tracer": {
			func(p otelshutdown.Providers) error { return p.Tracer.Shutdown(context.Background()) },
			"tracer provider" + again + "\n2 of the drain's 2 spans were not exported", 0,
		},
		"meter": {
			func(p otelshutdown.Providers) error { return p.Meter.Shutdown(context.Background()) },
			"meter provider: shutdown: " + sdkmetric.ErrReaderShutdown.Error(), 2,
		},
		"logger": {
			func(p otelshutdown.Providers) error { return p.Logger.Shutdown(context.Background()) },
			"logger provider" + again, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *telemetry) {
				p := m.providers()
				if err := test.shutDown(p); err != nil {
					t.Fatal(err)
				}
				r := drain(t, func(c *shutdown.Coordinator) { otelshutdown.Register(c, p) })
				wantStep(t, r, 0, test.want)
				if n := len(m.drainSpans()); n != test.spans {
					t.Errorf("%d spans of the drain exported, want %d", n, test.spans)
				}
			})
		})
	}
}

// Before t0 there is nothing to record.
func TestCloseBeforeTheStop(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		var err error
		c := shutdowntest.New(t)
		reg := otelshutdown.Register(c, m.providers())
		p := shutdowntest.Start(t, c, func(ctx context.Context) error {
			err = reg.Close(ctx)
			return nil
		})
		p.Clean()
		spans, data, records := m.got()
		if err != nil || len(spans) != 1 || len(data) != 1 || len(points(&data[0])) != 1 || records != 1 {
			t.Errorf("Close() = %v; exported %d spans, metrics %v, %d log records", err, len(spans), data, records)
		}
	})
}

func TestNilCoordinator(t *testing.T) {
	defer func() {
		want := regexp.MustCompile(`^otelshutdown: Register was given a nil Coordinator, at otelshutdown/providers_test\.go:\d+$`)
		if v := fmt.Sprint(recover()); !want.MatchString(v) {
			t.Errorf("the panic is %q", v)
		}
	}()
	otelshutdown.Register(nil, otelshutdown.Providers{})
}
