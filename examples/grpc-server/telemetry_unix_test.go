//go:build unix

package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
)

// A collector receives spans and metrics, and remembers their names.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	mu    sync.Mutex
	names []string
}

func (c *collector) Export(_ context.Context, req *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range req.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				c.names = append(c.names, span.GetName())
			}
		}
	}
	return new(tracepb.ExportTraceServiceResponse), nil
}

type metricsOf struct {
	metricspb.UnimplementedMetricsServiceServer
	*collector
}

func (m metricsOf) Export(_ context.Context, req *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range req.GetResourceMetrics() {
		for _, s := range r.GetScopeMetrics() {
			for _, metric := range s.GetMetrics() {
				m.names = append(m.names, metric.GetName())
			}
		}
	}
	return new(metricspb.ExportMetricsServiceResponse), nil
}

// The collector gets the telemetry of a call and, after that, of the stop.
func TestTelemetryToACollector(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, srv := new(collector), grpc.NewServer()
	tracepb.RegisterTraceServiceServer(srv, c)
	metricspb.RegisterMetricsServiceServer(srv, metricsOf{collector: c})
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(l) })
	defer serving.Wait()
	defer srv.Stop()

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+l.Addr().String())
	p := start(t)
	if err := <-p.say(t, 0); err != nil {
		t.Fatal(err)
	}
	p.terminate(t, 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, want := range []string{"echo.Echo/Say", "shutdown", "main", "task grpc", "rpc.server.call.duration", "lastcall.shutdown.duration"} {
		if !slices.Contains(c.names, want) {
			t.Errorf("the collector has not received %q: %q", want, c.names)
		}
	}
}

// Without a collector the spans of the stop are printed.
func TestTelemetryToTheConsole(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	p := start(t)
	out := p.terminate(t, 0).Output
	for _, want := range []string{`"Name":"shutdown"`, `"Name":"task grpc"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in the output:\n%s", want, out)
		}
	}
}
