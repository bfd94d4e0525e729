package grpcdrain

import (
	"context"
	"io"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"google.golang.org/grpc"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// NewServer is grpc.NewServer with the tracking that Serve uses: it names the RPCs that the drain
// waits for or cuts off, ends their contexts before the deadline, and makes Draining,
// shutdown.FromContext and group.WorkContext work in handlers. Its stats handler and its stream
// interceptor come before those in opts, except before one given by grpc.StreamInterceptor.
func NewServer(opts ...grpc.ServerOption) *grpc.Server {
	rec := &record{tracked: true}
	srv := grpc.NewServer(append([]grpc.ServerOption{
		grpc.StatsHandler(tracker{rec}),
		grpc.ChainStreamInterceptor(endReflection),
	}, opts...)...)
	rec.store(srv)
	return srv
}

// A record is what this package knows of a grpc.Server.
type record struct {
	tracked bool // made by NewServer
	taken   atomic.Bool
	run     atomic.Pointer[server] // nil unless a task serves it
}

// records has a *record for each weak.Pointer[grpc.Server], of servers that NewServer has made or
// Serve has served. A server has no place for a value of ours.
var records sync.Map

func (rec *record) store(srv *grpc.Server) (stored *record) {
	key := weak.Make(srv)
	v, had := records.LoadOrStore(key, rec)
	if !had {
		runtime.AddCleanup(srv, func(key weak.Pointer[grpc.Server]) { records.Delete(key) }, key)
	}
	return v.(*record)
}

// Draining returns a channel that is closed when the server is told to stop, which is at the end
// of the delay, or at the RPC's moment of Spread. ctx is the context of an RPC. A stream should
// return then, so that its client calls another server.
//
// In an RPC of a server that is the handler of an http.Server, served by httpdrain, it is the
// channel of httpdrain.Draining, also for a server of grpc.NewServer. In RPCs of such a server
// that Serve serves, and for any other context, it is nil.
func Draining(ctx context.Context) <-chan struct{} {
	r, ok := ctx.Value(&rpcKey).(*rpc)
	if !ok {
		return httpdrain.Draining(ctx)
	}
	return r.s.draining(r)
}

// An rpc is a call that is in progress. It is also the parent of the call's context, which has the
// values of the task's context in addition to those of the connection.
type rpc struct {
	context.Context // the stream's
	s               *server
	method          string
	peer            net.Addr
	cancel          context.CancelCauseFunc

	// These fields are guarded by the server's mutex.
	began       time.Time
	draining    chan struct{} // with Spread, once Draining was called
	asked       bool          // draining is closed
	fraction    float64       // of the window, at which draining is closed
	timer       *time.Timer   // closes draining
	interrupted bool          // the drain has ended the context before the RPC
	lastSeen    bool          // of Watch: the client was sent a status other than SERVING
}

// &rpcKey is the context key of a context's RPC.
var rpcKey byte

func (r *rpc) Value(key any) any {
	if key == &rpcKey {
		return r
	}
	if v := r.Context.Value(key); v != nil {
		return v
	}
	return r.s.task.Value(key)
}

// isWatch reports whether the RPC is a stream of health statuses, which does not end by itself.
func (r *rpc) isWatch() bool { return r.method == healthgrpc.Health_Watch_FullMethodName }

// A tracker is the stats.Handler of a server.
type tracker struct{ *record }

func (t tracker) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	s := t.run.Load()
	if s == nil {
		return ctx
	}
	r := &rpc{Context: ctx, s: s, method: info.FullMethodName}
	if p, ok := peer.FromContext(ctx); ok {
		r.peer = p.Addr
	}
	ctx, r.cancel = context.WithCancelCause(tree.Request(r))
	return ctx
}

func (t tracker) HandleRPC(ctx context.Context, event stats.RPCStats) {
	switch event := event.(type) {
	case *stats.Begin, *stats.End, *stats.OutPayload:
		r, ok := ctx.Value(&rpcKey).(*rpc)
		if !ok {
			return
		}
		switch event := event.(type) {
		case *stats.Begin:
			r.s.begin(r, event.BeginTime)
		case *stats.End:
			r.s.end(r)
		case *stats.OutPayload:
			if r.isWatch() {
				r.s.sent(r, event.Payload)
			}
		}
	}
}

func (t tracker) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (t tracker) HandleConn(context.Context, stats.ConnStats)                       {}

func (s *server) begin(r *rpc, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.began = at
	s.rpcs[r] = struct{}{}
	if s.ended != nil {
		s.interrupt(r)
	}
}

func (s *server) end(r *rpc) {
	r.cancel(context.Canceled)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rpcs, r)
	if r.timer != nil {
		r.timer.Stop()
	}
	s.lastEnd = time.Now()
	switch {
	case !s.isTold || s.cut:
	case r.interrupted && s.ended == shutdown.ErrGrace && !r.isWatch():
		s.short = append(s.short, r)
	default:
		s.finished++
		if r.interrupted {
			s.hurried++
		}
	}
}

// sent records a status that a Watch has sent. Once the server is told to stop, the Watch ends
// after the status that says so.
func (s *server) sent(r *rpc, payload any) {
	res, ok := payload.(*healthgrpc.HealthCheckResponse)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.lastSeen = ok && res.GetStatus() != healthgrpc.HealthCheckResponse_SERVING
	if r.lastSeen && s.isTold {
		r.cancel(errStopping)
	}
}

// endWatches ends the contexts of health's Watch streams: those that have sent the last status, or
// all.
func (s *server) endWatches(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.rpcs {
		if r.isWatch() && (all || r.lastSeen) {
			r.cancel(errStopping)
		}
	}
}

// endRPCs ends the contexts of all RPCs, and of those to come.
func (s *server) endRPCs(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended = cause
	for r := range s.rpcs {
		s.interrupt(r)
		s.ask(r)
	}
}

func (s *server) interrupt(r *rpc) {
	r.interrupted = true
	r.cancel(s.ended)
}

func (s *server) draining(r *rpc) <-chan struct{} {
	if s.spread == 0 {
		return s.told
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.draining == nil {
		r.draining = make(chan struct{})
		// The multiples of the golden ratio, without their whole part, are spread evenly,
		// however many there are. So an RPC gets its moment without knowledge of the others.
		s.moments++
		_, r.fraction = math.Modf(float64(s.moments) * math.Phi)
		if s.isTold {
			s.schedule(r)
		}
	}
	return r.draining
}

// schedule has r's channel closed at its moment in the window.
func (s *server) schedule(r *rpc) {
	at := s.toldAt.Add(time.Duration(r.fraction * float64(s.window)))
	r.timer = time.AfterFunc(time.Until(at), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ask(r)
	})
}

// ask closes r's channel now.
func (s *server) ask(r *rpc) {
	if r.draining != nil && !r.asked {
		r.asked = true
		close(r.draining)
	}
}

// endReflection ends streams of the reflection service when the server is told to stop. Clients
// keep them open, and their handler only waits for the next request.
func endReflection(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if strings.HasPrefix(info.FullMethod, "/grpc.reflection.") {
		stream = &endingStream{stream, Draining(stream.Context())}
	}
	return handler(srv, stream)
}

// An endingStream has no more messages from the client once told is closed.
type endingStream struct {
	grpc.ServerStream
	told <-chan struct{}
}

func (s *endingStream) RecvMsg(m any) error {
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(m) }()
	select {
	case err := <-received:
		return err
	case <-s.told:
		return io.EOF // the RecvMsg above returns when the RPC has ended
	}
}
