package main

import (
	"context"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"

	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
)

// telemetry returns OpenTelemetry's providers, and the options with which a server uses them.
//
// If the environment names a collector, by OTEL_EXPORTER_OTLP_ENDPOINT, it gets the spans and
// metrics of RPCs, and those of the stop. Otherwise the spans of the stop are printed on standard
// output. The service's name and the sampler come from the environment as well.
func telemetry(ctx context.Context) (p otelshutdown.Providers, instrument []grpc.ServerOption, err error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		console, err := stdouttrace.New()
		p.Tracer = sdktrace.NewTracerProvider(sdktrace.WithBatcher(console))
		return p, nil, err
	}
	spans, err := otlptracegrpc.New(ctx)
	if err != nil {
		return p, nil, err
	}
	metrics, err := otlpmetricgrpc.New(ctx)
	if err != nil {
		return p, nil, err
	}
	p.Tracer = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	p.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	return p, []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(p.Tracer), otelgrpc.WithMeterProvider(p.Meter)))}, nil
}
