package otelshutdown_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

// A way is how an exporter answers.
type way func(ctx context.Context) error

func works(context.Context) error { return nil }

var errExport = errors.New("the collector is on fire")

func fails(context.Context) error { return errExport }

// waits is an exporter that waits for its context.
func waits(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// takes is an exporter that needs a while, but heeds its context.
func takes(d time.Duration) way {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A telemetry has providers whose exporters keep everything in memory.
type telemetry struct {
	traces, metrics, logs way
	release               chan struct{} // closed at the end of the test, for exporters that ignore their contexts

	batch    sdktrace.SpanProcessor
	mu       sync.Mutex
	spans    []sdktrace.ReadOnlySpan
	data     []metricdata.ResourceMetrics
	records  int
	shutDown atomic.Int32 // exporters
}

// hangs is an exporter that ignores its context.
func (m *telemetry) hangs(context.Context) error {
	<-m.release
	return nil
}

func (m *telemetry) keep(ctx context.Context, w way, add func()) error {
	if w == nil {
		w = works
	}
	if err := w(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	add()
	return nil
}

type (
	spanExporter   struct{ m *telemetry }
	metricExporter struct{ m *telemetry }
	logExporter    struct{ m *telemetry }
)

func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.m.keep(ctx, e.m.traces, func() { e.m.spans = append(e.m.spans, spans...) })
}

func (e spanExporter) Shutdown(context.Context) error { e.m.shutDown.Add(1); return nil }

func (e metricExporter) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	return e.m.keep(ctx, e.m.metrics, func() { e.m.data = append(e.m.data, *data) })
}

func (e metricExporter) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DefaultTemporalitySelector(k)
}

func (e metricExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

func (e metricExporter) ForceFlush(context.Context) error { return nil }
func (e metricExporter) Shutdown(context.Context) error   { e.m.shutDown.Add(1); return nil }

func (e logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	return e.m.keep(ctx, e.m.logs, func() { e.m.records += len(records) })
}

func (e logExporter) ForceFlush(context.Context) error { return nil }
func (e logExporter) Shutdown(context.Context) error   { e.m.shutDown.Add(1); return nil }

// providers returns providers with a span, a metric and a log record that wait to be exported.
func (m *telemetry) providers(opts ...sdktrace.TracerProviderOption) otelshutdown.Providers {
	m.batch = sdktrace.NewBatchSpanProcessor(spanExporter{m})
	p := otelshutdown.Providers{
		Tracer: sdktrace.NewTracerProvider(append([]sdktrace.TracerProviderOption{sdktrace.WithSpanProcessor(m.batch)}, opts...)...),
		Meter:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricExporter{m}))),
		Logger: sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter{m}))),
	}
	_, span := p.Tracer.Tracer("program").Start(context.Background(), "request")
	span.End()
	counter, _ := p.Meter.Meter("program").Int64Counter("requests")
	counter.Add(context.Background(), 1)
	var record log.Record
	record.SetBody(attribute.StringValue("request"))
	p.Logger.Logger("program").Emit(context.Background(), record)
	return p
}

// inBubble calls f in a bubble of synctest, and then releases the exporters that hang.
func inBubble(t *testing.T, f func(t *testing.T, m *telemetry)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &telemetry{release: make(chan struct{})}
		defer synctest.Wait()
		defer func() {
			close(m.release)
			if m.batch != nil {
				_ = m.batch.Shutdown(context.Background()) // a provider shuts its processors down only if it has time left
			}
		}()
		f(t, m)
	})
}

// drain runs a program that registers what setUp registers, stops it, and returns its report.
func drain(t *testing.T, setUp func(c *shutdown.Coordinator)) *shutdown.Report {
	t.Helper()
	c := shutdowntest.New(t)
	setUp(c)
	p := shutdowntest.Start(t, c, untilTold)
	synctest.Wait()
	p.Signal(os.Interrupt)
	return p.Wait()
}

func untilTold(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func nothing(context.Context) error { return nil }

// step returns the step of the report with this name.
func step(t *testing.T, r *shutdown.Report, name string) shutdown.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no step %q in the report:\n%v", name, r)
	return shutdown.Step{}
}

// got is what has been exported.
func (m *telemetry) got() (spans []sdktrace.ReadOnlySpan, data []metricdata.ResourceMetrics, records int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.spans, m.data, m.records
}

// drainSpans returns the exported spans of the drain.
func (m *telemetry) drainSpans() (spans []sdktrace.ReadOnlySpan) {
	all, _, _ := m.got()
	for _, s := range all {
		if s.InstrumentationScope().Name != "program" {
			spans = append(spans, s)
		}
	}
	return spans
}
