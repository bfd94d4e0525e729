package otelshutdown_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
)

// A collector receives OTLP over HTTP and gRPC on loopback.
type collector struct {
	coltrace.UnimplementedTraceServiceServer
	http, grpc string // the addresses
	client     *http.Transport
	stop       func()

	// answer, if it is not nil, is called with each request of a signal, before it is stored. Its
	// error is the answer.
	answer func(ctx context.Context, signal string) error

	mu      sync.Mutex
	spans   map[string]int // how often each span came
	ofDrain int            // spans of the drain
	metrics map[string]bool
	records int
}

// newCollector returns a collector that serves until the end of the test.
func newCollector(t *testing.T) *collector {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	forHTTP, forGRPC := listen(), listen()
	col := &collector{http: forHTTP.Addr().String(), grpc: forGRPC.Addr().String(), client: new(http.Transport)}
	col.reset()
	srv, rpc := &http.Server{Handler: col}, grpc.NewServer()
	coltrace.RegisterTraceServiceServer(rpc, col)
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(forHTTP) })
	wg.Go(func() { _ = rpc.Serve(forGRPC) })
	col.stop = sync.OnceFunc(func() {
		_ = srv.Close()
		rpc.Stop()
		wg.Wait()
		col.client.CloseIdleConnections()
	})
	t.Cleanup(col.stop)
	return col
}

func (c *collector) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans, c.metrics, c.ofDrain, c.records = make(map[string]int), make(map[string]bool), 0, 0
}

func (c *collector) ask(ctx context.Context, signal string) error {
	if c.answer == nil {
		return nil
	}
	return c.answer(ctx, signal)
}

// Export is the gRPC service for traces.
func (c *collector) Export(ctx context.Context, m *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	if err := c.ask(ctx, "traces"); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	c.storeSpans(m)
	return new(coltrace.ExportTraceServiceResponse), nil
}

// ServeHTTP is the HTTP service for the three signals.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	signal := r.URL.Path[len("/v1/"):]
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := c.ask(r.Context(), signal); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	switch signal {
	case "traces":
		m := new(coltrace.ExportTraceServiceRequest)
		if err = proto.Unmarshal(body, m); err == nil {
			c.storeSpans(m)
		}
	case "metrics":
		m := new(colmetrics.ExportMetricsServiceRequest)
		if err = proto.Unmarshal(body, m); err == nil {
			c.storeMetrics(m)
		}
	case "logs":
		m := new(collogs.ExportLogsServiceRequest)
		if err = proto.Unmarshal(body, m); err == nil {
			c.storeLogs(m)
		}
	default:
		err = errors.New("no such signal")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message is a success
}

func (c *collector) storeSpans(m *coltrace.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range m.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans[string(s.SpanId)]++
			}
			if scope.Scope.Name != "program" {
				c.ofDrain += len(scope.Spans)
			}
		}
	}
}

func (c *collector) storeMetrics(m *colmetrics.ExportMetricsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range m.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				c.metrics[m.Name] = true
			}
		}
	}
}

func (c *collector) storeLogs(m *collogs.ExportLogsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range m.ResourceLogs {
		for _, scope := range resource.ScopeLogs {
			c.records += len(scope.LogRecords)
		}
	}
}

// A received is what a collector has received.
type received struct {
	Spans, OfDrain, Twice, Metrics, Records int
}

func (c *collector) received() received {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := received{Spans: len(c.spans), OfDrain: c.ofDrain, Metrics: len(c.metrics), Records: c.records}
	for _, n := range c.spans {
		if n > 1 {
			r.Twice++
		}
	}
	return r
}

// providers returns providers that export to the collector, traces by gRPC or HTTP. Their batch
// processors have queues of this size. At the end of the test the exporters are shut down: the
// processors do not wait for one that hangs.
func (c *collector) providers(t *testing.T, byGRPC bool, queue int) otelshutdown.Providers {
	t.Helper()
	ctx := context.Background()
	// Without a wait of its own, which is 5 s by default, an exporter tries again at once.
	const first, longest, all = 20 * time.Millisecond, 100 * time.Millisecond, time.Minute
	client := &http.Client{Transport: c.client}
	var traces sdktrace.SpanExporter
	var err error
	if byGRPC {
		traces, err = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(c.grpc), otlptracegrpc.WithInsecure(),
			otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: first, MaxInterval: longest, MaxElapsedTime: all}))
	} else {
		traces, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(c.http), otlptracehttp.WithInsecure(), otlptracehttp.WithHTTPClient(client),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: first, MaxInterval: longest, MaxElapsedTime: all}))
	}
	metrics, err2 := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(c.http), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithHTTPClient(client),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: true, InitialInterval: first, MaxInterval: longest, MaxElapsedTime: all}))
	logs, err3 := otlploghttp.New(ctx, otlploghttp.WithEndpoint(c.http), otlploghttp.WithInsecure(), otlploghttp.WithHTTPClient(client),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: first, MaxInterval: longest, MaxElapsedTime: all}))
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(ctx, 50*ms) // the gRPC exporter cancels exports only when its context ends
		defer cancel()
		_, _, _ = traces.Shutdown(ctx), metrics.Shutdown(ctx), logs.Shutdown(ctx)
	})
	return otelshutdown.Providers{
		Tracer: sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces, sdktrace.WithMaxQueueSize(queue))),
		Meter:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics))),
		Logger: sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logs, sdklog.WithMaxQueueSize(queue)))),
	}
}
