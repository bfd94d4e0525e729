package otelshutdown

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	lognoop "go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/lastcall-go/lastcall/shutdown"
)

// The attributes.
const (
	causeKey   = attribute.Key("lastcall.shutdown.cause")
	graceKey   = attribute.Key("lastcall.shutdown.grace_period")
	delayKey   = attribute.Key("lastcall.shutdown.delay")
	forcedKey  = attribute.Key("lastcall.shutdown.forced")
	nameKey    = attribute.Key("lastcall.step.name")
	kindKey    = attribute.Key("lastcall.step.kind")
	outcomeKey = attribute.Key("lastcall.step.outcome")
	siteKey    = attribute.Key("lastcall.step.site")
	statusKey  = attribute.Key("lastcall.step.status")
	waitsKey   = attribute.Key("lastcall.step.waits_for")
	againKey   = attribute.Key("lastcall.step.restarts")
	lastErrKey = attribute.Key("lastcall.step.last_error")
)

// perFlush is the number of the drain's spans between two flushes. A batch processor drops the spans
// that its queue cannot hold, without an error, and by default it holds 2048. It exports by itself
// when it has a batch of 512, and then reports an error only to otel.Handle. With fewer spans
// it is ForceFlush that exports them, and returns the error.
const perFlush = sdktrace.DefaultMaxExportBatchSize - 1

// spans are the spans of the drain.
type spans struct {
	provider *sdktrace.TracerProvider
	report   *shutdown.Report // nil before t0

	total, exported atomic.Int64 // spans that the sampler keeps; those followed by a successful flush
}

// export makes the spans and flushes them. It returns the first error.
func (s *spans) export(ctx context.Context) error {
	tracer := s.provider.Tracer(scope)
	if _, stopped := tracer.(tracenoop.Tracer); stopped {
		if s.report != nil {
			s.total.Store(1 + int64(len(s.report.Steps)))
		}
		return errShutDown
	}
	if s.report == nil {
		return s.provider.ForceFlush(ctx)
	}
	inRoot, root := s.start(ctx, tracer)
	kept := root.SpanContext().IsSampled()
	if kept { // the usual samplers decide about the steps as about the root
		s.total.Store(1 + int64(len(s.report.Steps)))
	}
	err := s.provider.ForceFlush(ctx) // the program's own spans may fill the queue
	if ctx.Err() != nil {
		return err // spans that are made now would only keep Shutdown busy
	}
	pending := 0
	flush := func() {
		switch e := s.provider.ForceFlush(ctx); {
		case e == nil:
			s.exported.Add(int64(pending))
		case err == nil:
			err = e
		}
		pending = 0
	}
	s.end(root) // first, since it says most
	if kept {
		pending++
	}
	for i := range s.report.Steps {
		if ctx.Err() != nil {
			break
		}
		switch sampled := s.step(inRoot, tracer, &s.report.Steps[i]); {
		case sampled:
			pending++
			if !kept {
				s.total.Add(1)
			}
		case kept:
			s.total.Add(-1)
		}
		if pending == perFlush {
			flush()
		}
	}
	if pending > 0 {
		flush()
	}
	return err
}

// errShutDown is the error of a provider that somebody else has shut down. It then returns tracers
// and loggers that do nothing, and its ForceFlush returns nil.
var errShutDown = errors.New("was shut down before; leave that to this handler")

// flushLogs flushes p.
func flushLogs(ctx context.Context, p *sdklog.LoggerProvider) error {
	if _, stopped := p.Logger(scope).(lognoop.Logger); stopped {
		return errShutDown
	}
	return p.ForceFlush(ctx)
}

// missing returns an error if spans were not exported.
func (s *spans) missing() error {
	total := s.total.Load()
	if n := total - s.exported.Load(); n > 0 {
		return fmt.Errorf("%d of the drain's %d spans were not exported", n, total)
	}
	return nil
}

// start starts the root.
func (s *spans) start(ctx context.Context, tracer trace.Tracer) (context.Context, trace.Span) {
	r := s.report
	return tracer.Start(ctx, "shutdown", trace.WithNewRoot(), trace.WithTimestamp(r.Began), trace.WithAttributes(
		causeKey.String(textOf(r.Cause)),
		graceKey.Float64(r.Grace.Seconds()),
		delayKey.Float64(r.Delay.Seconds()),
		forcedKey.Bool(r.Forced),
	))
}

// end ends the root.
func (s *spans) end(root trace.Span) {
	failed := 0
	for i := range s.report.Steps {
		if s.report.Steps[i].Outcome != shutdown.OutcomeOK {
			failed++
		}
	}
	if failed > 0 {
		root.SetStatus(codes.Error, fmt.Sprintf("%d of %d steps failed", failed, len(s.report.Steps)))
	} else if err := s.report.Err(); err != nil { // the cause is a failure
		root.SetStatus(codes.Error, textOf(err))
	}
	root.End(trace.WithTimestamp(s.report.Began.Add(s.report.Took)))
}

// step makes the span of a step, and reports whether the sampler keeps it.
func (s *spans) step(ctx context.Context, tracer trace.Tracer, step *shutdown.Step) (sampled bool) {
	start := s.report.Began.Add(step.Start)
	end := start.Add(step.Took)
	attrs := []attribute.KeyValue{
		causeKey.String(textOf(s.report.Cause)),
		nameKey.String(step.Name),
		kindKey.String(step.Kind.String()),
		outcomeKey.String(step.Outcome.String()),
		siteKey.String(step.Site),
	}
	if step.Status != "" {
		attrs = append(attrs, statusKey.String(step.Status))
	}
	if step.WaitsFor != "" {
		attrs = append(attrs, waitsKey.String(step.WaitsFor))
	}
	if step.Restarts > 0 {
		attrs = append(attrs, againKey.Int(step.Restarts), lastErrKey.String(textOf(step.LastErr)))
	}
	if step.Outcome != shutdown.OutcomeOK {
		attrs = append(attrs, semconv.ErrorTypeKey.String(step.Outcome.String()))
	}
	_, span := tracer.Start(ctx, spanName(step), trace.WithTimestamp(start), trace.WithAttributes(attrs...))
	if step.Outcome != shutdown.OutcomeOK {
		span.SetStatus(codes.Error, textOf(step.Err))
		span.AddEvent(semconv.ExceptionEventName, trace.WithTimestamp(end), trace.WithAttributes(exception(step)...))
	}
	span.End(trace.WithTimestamp(end))
	return span.SpanContext().IsSampled()
}

func spanName(step *shutdown.Step) string {
	kind := step.Kind.String()
	if step.Name == kind { // main
		return kind
	}
	return kind + " " + step.Name
}

// exception does what RecordError of a span does, for an error whose methods may panic.
func exception(step *shutdown.Step) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		semconv.ExceptionType(fmt.Sprintf("%T", step.Err)),
		semconv.ExceptionMessage(textOf(step.Err)),
	}
	if step.Stack != "" {
		attrs = append(attrs, semconv.ExceptionStacktrace(step.Stack))
	}
	return attrs
}

// buckets are those of http.server.request.duration, and some for steps that take long. The default
// ones of the SDK are for milliseconds.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 25, 60}

// record records the metrics of the drain.
func record(ctx context.Context, p *sdkmetric.MeterProvider, r *shutdown.Report) error {
	if r == nil { // before t0
		return nil
	}
	meter := p.Meter(scope)
	took, err1 := meter.Float64Histogram("lastcall.shutdown.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the request to stop to the export of telemetry."), metric.WithExplicitBucketBoundaries(buckets...))
	left, err2 := meter.Float64Gauge("lastcall.shutdown.time_left", metric.WithUnit("s"),
		metric.WithDescription("Rest of the grace period at the export of telemetry."))
	step, err3 := meter.Float64Histogram("lastcall.step.duration", metric.WithUnit("s"),
		metric.WithDescription("Time that a step of the stop took."), metric.WithExplicitBucketBoundaries(buckets...))
	restarts, err4 := meter.Int64Counter("lastcall.step.restarts", metric.WithUnit("{restart}"),
		metric.WithDescription("How often a step was called again after a failure, before the stop."))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	took.Record(ctx, r.Took.Seconds())
	left.Record(ctx, max(0, r.Grace-r.Took).Seconds())
	for i := range r.Steps {
		s := &r.Steps[i]
		attrs := metric.WithAttributes(kindKey.String(s.Kind.String()), outcomeKey.String(s.Outcome.String()))
		step.Record(ctx, s.Took.Seconds(), attrs)
		if s.Restarts > 0 {
			restarts.Add(ctx, int64(s.Restarts), attrs)
		}
	}
	return nil
}

// textOf returns the text of err. A method of the user's error may panic.
func textOf(err error) (text string) {
	if err == nil {
		return ""
	}
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprintf("%T, its Error method panicked: %v", err, v)
		}
	}()
	return err.Error()
}
