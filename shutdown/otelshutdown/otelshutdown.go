// Package otelshutdown makes OpenTelemetry part of a program's stop: the providers are flushed last,
// and the drain itself is exported as spans and metrics.
//
//	func main() {
//		p := otelshutdown.Providers{Tracer: tp, Meter: mp, Logger: lp}
//		otelshutdown.Register(shutdown.Default, p) // before everything else
//		os.Exit(shutdown.Main(run))
//	}
//
// Handlers run newest first. So the handler that is registered first, before the admin listener too,
// is the last one to run. By then all the others have ended, and their telemetry is exported with
// the rest.
//
// # Spans
//
// The drain is a trace of its own. Its root is a span "shutdown", from t0 to the time at which the
// handler runs. Each step that is over has a child with its real start and end, named by its kind
// and its name, such as "handler db".
//
//	span      attribute                        value
//	both      lastcall.shutdown.cause          why the program stopped
//	root      lastcall.shutdown.grace_period   seconds
//	root      lastcall.shutdown.delay          seconds
//	root      lastcall.shutdown.forced         whether there was a second signal
//	step      lastcall.step.name
//	step      lastcall.step.kind               main, task, hold or handler
//	step      lastcall.step.outcome            ok, failed, panicked, goexited, late, abandoned or skipped
//	step      lastcall.step.site               the file and line at which it was registered
//	step      lastcall.step.status             the status that it has set, if there is one
//	step      lastcall.step.waits_for          what it waited for, if it did not return by its deadline
//	step      lastcall.step.restarts           how often it was called again after a failure, if it was
//	step      lastcall.step.last_error         the last of these failures
//	step      error.type                       the outcome, if it is not ok
//
// A step that is not ok has an event "exception" with the type and the text of its error. If the
// step panicked or was abandoned, the event has the stacks. The status of its span, and of the
// root, is Error.
//
// The sampler decides about these spans as about any other. A sampler that keeps one trace in a
// hundred keeps one stop in a hundred. The metrics are recorded in any case.
//
// # Metrics
//
//	name                          instrument   unit       attributes
//	lastcall.shutdown.duration    histogram    s          none
//	lastcall.shutdown.time_left   gauge        s          none
//	lastcall.step.duration        histogram    s          lastcall.step.kind, lastcall.step.outcome
//	lastcall.step.restarts        counter      {restart}  lastcall.step.kind, lastcall.step.outcome
//
// lastcall.shutdown.duration is the time since t0, and lastcall.shutdown.time_left the rest of the
// grace period: if it gets close to 0, the grace period is too short. Both are measured when the
// handler begins. The names of steps are attributes of spans only, because each one would be a time
// series of its own.
//
// OpenTelemetry's semantic conventions have no names for the stop of a process. Its rules for new
// names ask for a namespace that nobody else uses, so all of them begin with the name of this
// library. The rest is as in the conventions: durations in seconds, the buckets of
// http.server.request.duration and a few more, error.type, and the event "exception".
//
// The handler's own step, leaks, and the duration of the whole stop cannot be exported, since they
// are known only after the export. They are in the log and in the report.
//
// # Failures
//
// The providers are flushed and shut down side by side, so that one which fails or hangs does not
// keep the others from being flushed. The error of the handler names each provider that failed. See
// [Register] for the time that this takes.
//
// The error also counts the spans of the drain that were not exported: those that no successful
// ForceFlush followed, and those that were not made because no time was left. The number is too high
// if a collector received spans and only its answer was lost. It is too low if a processor exports
// without ForceFlush, since its errors go only to otel.Handle. A syncer does that, and a batch
// processor whose batches or queue are smaller than 512 spans.
//
// A panic of an exporter is an error of its provider if it happens on a goroutine of the handler. Batch
// processors export on goroutines of their own. A panic there ends the process, during the stop as
// at any other time.
package otelshutdown

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/lastcall-go/lastcall/shutdown"
)

// reserve is the least time for the export, unless the caller asks for another. A healthy collector
// answers within milliseconds; two seconds suffice for one that is busy, or restarts.
const reserve = 2 * time.Second

// scope is the instrumentation scope of the spans and metrics.
const scope = "github.com/lastcall-go/lastcall/shutdown/otelshutdown"

// Providers are the providers that a program uses. Each may be nil.
type Providers struct {
	Tracer *sdktrace.TracerProvider
	Meter  *sdkmetric.MeterProvider
	Logger *sdklog.LoggerProvider
}

// Register adds a handler to c that exports the drain so far as spans and metrics, flushes the
// providers, and shuts them down. Call it before anything else is registered on c: the handler then
// runs last. Nothing else may shut the providers down: the handler fails if one was shut down before.
//
// The handler is called "telemetry" and has a Reserve of 2 s, unless opts say otherwise. The Reserve
// is its minimum. As the last handler it may use all the rest of the grace period, so a collector
// that does not answer costs that much. shutdown.Timeout in opts sets a limit:
//
//	otelshutdown.Register(c, p, shutdown.Timeout(5*time.Second))
//
// Of the time from its start to its deadline, the handler gives 80% to the flush. The Shutdown of
// the providers ends at 90%; that of the meter provider is what flushes the metrics. At 95% the
// handler returns, and leaves behind the providers that have not returned. After a second signal
// the handler still has its minimum. The flush may use nearly 40% of that, which is 0.7 s of a
// Reserve of 2 s. The handler finds out its minimum with a task of its own, which the report has as
// "time to flush".
//
// If a provider is nil, the handler leaves it out. If all are nil, the handler does nothing, and its
// line in the report says so. If it is closed before a stop, there are no spans and metrics, and the
// providers are flushed and shut down. Register panics if c is nil.
func Register(c *shutdown.Coordinator, p Providers, opts ...shutdown.Option) *shutdown.Registration {
	if c == nil {
		panic("otelshutdown: Register was given a nil Coordinator, at " + caller())
	}
	defaults := []shutdown.Option{shutdown.Name("telemetry"), shutdown.Reserve(reserve)}
	return c.Register(p.export, append(defaults, opts...)...)
}

// export is the handler.
func (p Providers) export(ctx context.Context) error {
	r := shutdown.FromContext(ctx).Report()
	var parts []*part
	var t *spans
	if p.Tracer != nil {
		t = &spans{provider: p.Tracer, report: r}
		parts = append(parts, newPart("tracer provider", t.export, p.Tracer.Shutdown))
	}
	if p.Meter != nil {
		// Shutdown flushes. With ForceFlush a periodic reader would export twice, and on a goroutine
		// of its own, where nobody can recover a panic.
		record := func(ctx context.Context) error { return record(ctx, p.Meter, r) }
		parts = append(parts, newPart("meter provider", record, p.Meter.Shutdown))
	}
	if p.Logger != nil {
		flush := func(ctx context.Context) error { return flushLogs(ctx, p.Logger) }
		parts = append(parts, newPart("logger provider", flush, p.Logger.Shutdown))
	}
	if len(parts) == 0 {
		shutdown.SetStatus(ctx, "no providers, nothing exported")
		return nil
	}
	err := finish(ctx, parts)
	if t != nil {
		err = errors.Join(err, t.missing())
	}
	return err
}

// caller returns the file and line of the caller of Register.
func caller() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", path.Join(path.Base(path.Dir(file)), path.Base(file)), line)
}
