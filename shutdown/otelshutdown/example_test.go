package otelshutdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A printer is an exporter that prints the names of spans and their status.
type printer struct{}

func (printer) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		fmt.Printf("%s: %v\n", s.Name(), s.Status().Code)
	}
	return nil
}

func (printer) Shutdown(context.Context) error {
	fmt.Println("exporter shut down")
	return nil
}

// The program exports its own stop. The handler was registered first, so it runs last: after the
// cache and the database.
func Example() {
	nop := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &nop}

	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(printer{}))
	otelshutdown.Register(c, otelshutdown.Providers{Tracer: tp})
	c.Register(func(context.Context) error { return nil }, shutdown.Name("db"))
	c.Register(func(context.Context) error { return errors.New("disk full") }, shutdown.Name("cache"))

	c.Run(context.Background(), func(ctx context.Context) error {
		_, span := tp.Tracer("program").Start(ctx, "request")
		span.End()
		return nil
	})
	// Output:
	// request: Unset
	// shutdown: Error
	// main: Unset
	// handler cache: Error
	// handler db: Unset
	// exporter shut down
}

// region service
func main() { os.Exit(shutdown.Main(run)) }

func run(ctx context.Context) error {
	p, err := newProviders(ctx)
	if err != nil {
		return err
	}
	otel.SetTracerProvider(p.Tracer)
	otel.SetMeterProvider(p.Meter)
	// The first handler to be registered is the last to run.
	otelshutdown.Register(shutdown.FromContext(ctx), p, shutdown.Timeout(5*time.Second))

	var g group.Group
	g.Go("worker", work)
	return g.Run(ctx)
}

// newProviders returns providers that export to $OTEL_EXPORTER_OTLP_ENDPOINT.
func newProviders(ctx context.Context) (p otelshutdown.Providers, err error) {
	spans, err := otlptracehttp.New(ctx)
	if err != nil {
		return p, err
	}
	metrics, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return p, err
	}
	p.Tracer = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	p.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	return p, nil
}

// endregion

func work(ctx context.Context) error {
	_, span := otel.Tracer("program").Start(ctx, "work")
	span.End()
	working <- struct{}{}
	<-ctx.Done()
	return nil
}

var working = make(chan struct{}, 1)

var _ = main

// The program of the manual exports to the collector that the environment names.
func TestService(t *testing.T) {
	col := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+col.http)
	p := shutdowntest.Start(t, nil, run)
	<-working
	p.Stop(nil)
	p.Clean()
	want := received{Spans: 4, OfDrain: 3, Metrics: 3} // the program's span; the root, main, the worker
	if d := cmp.Diff(want, col.received()); d != "" {
		t.Errorf("received (-want +got):\n%s", d)
	}
}

func TestTelemetryIsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shutdowntest.New(t)
		otelshutdown.Register(c, otelshutdown.Providers{Tracer: sdktrace.NewTracerProvider()})
		c.Register(func(context.Context) error { return nil }, shutdown.Name("db"))
		p := shutdowntest.Start(t, c, untilTold)
		synctest.Wait()
		p.Stop(nil)
		p.Order("main", "db", "telemetry")
	})
}
