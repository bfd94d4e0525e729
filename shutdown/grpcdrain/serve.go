package grpcdrain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Serve returns a task that serves srv until it is told to stop, and then drains it as the package
// documentation describes. One of the options Addr and Listener says where. Run the task with
// group.Go, with shutdown.Start, or as the main function of a Coordinator's Run:
//
//	g.Go("grpc", grpcdrain.Serve(srv, grpcdrain.Addr(":50051")))
//
// When it listens, the task calls group.Started: give it a group.Warmup if other tasks of the group
// wait for that.
//
// The task returns nil if every RPC has ended in time. At its deadline it closes all connections, and
// a little before that it ends the contexts of the RPCs. It fails with the RPCs that either has cut
// short. It fails at once if it cannot listen, if srv is nil,
// if a task serves srv or has served it, or if srv was stopped before. If the listener fails, the
// task waits up to 5 s for the RPCs in flight and returns the listener's error. After a call of
// srv's own GracefulStop or Stop it drains and returns nil.
//
// If srv comes from grpc.NewServer instead of NewServer, the stop has the same limits. But the
// task cannot name RPCs, and counts connections: it fails if one is open at the deadline. The
// contexts of RPCs end with their connections. Draining returns nil. A client of health's Watch
// holds up the drain.
//
// Outside of a Coordinator and a group, the task stops within group.DefaultGrace after the end of
// its context. A second task for srv, or a second run of the same task, fails with an error that
// wraps group.ErrStopped. A task with group.Restart has to make the server itself. A task that could
// not listen may be run again.
func Serve(srv *grpc.Server, opts ...Option) func(ctx context.Context) error {
	var o options
	for _, opt := range opts {
		opt.apply(&o)
	}
	return func(ctx context.Context) error {
		if group.WorkContext(ctx).Done() != nil { // ctx belongs to a step, which limits the stop
			return run(ctx, srv, o)
		}
		var g group.Group
		g.Go("grpc", func(ctx context.Context) error { return run(ctx, srv, o) })
		return g.Run(ctx)
	}
}

// A server is one run of the task.
type server struct {
	options
	srv     *grpc.Server
	tracked bool
	task    context.Context
	ready   *readiness
	told    chan struct{} // closed when the server is told to stop
	began   time.Time     // when the time of the stop began: toldAt, or later the end of the task's context

	mu       sync.Mutex
	conns    map[*conn]struct{}
	rpcs     map[*rpc]struct{} // empty unless tracked
	moments  int               // how many RPCs have a moment of Spread
	isTold   bool
	toldAt   time.Time
	lastEnd  time.Time     // of an RPC
	window   time.Duration // of Spread
	ended    error         // why the contexts of RPCs have ended; nil: they have not
	cut      bool          // the connections were closed at the deadline
	cutRPCs  int           // that this has cut short
	cutConns int           // that this has closed, if they had no RPC
	finished int           // RPCs, since toldAt
	hurried  int           // of these: those whose contexts a second signal had ended
	short    []*rpc        // those that have ended after the deadline had ended their contexts
}

// errStopping is the cause of the end of contexts that do not wait for the deadline.
var errStopping = errors.New("grpcdrain: the server is stopping")

// A servedError is the error of a second run of a server. It wraps group.ErrStopped, so that
// group.Restart does not try again.
type servedError struct{}

func (servedError) Error() string {
	return "another task serves this server, or has served it; each task needs a server of its own, made in the task if that is called again"
}

func (servedError) Unwrap() error { return group.ErrStopped }

// begin returns the record of srv, which is this task's from now on, and the listener.
func (o *options) begin(srv *grpc.Server) (*record, net.Listener, error) {
	if srv == nil {
		return nil, nil, errors.New("Serve was given a nil server")
	}
	rec := new(record).store(srv)
	if rec.taken.Swap(true) {
		return nil, nil, servedError{}
	}
	l, err := o.listen()
	if err != nil {
		rec.taken.Store(false)
	}
	return rec, l, err
}

func run(ctx context.Context, srv *grpc.Server, o options) error {
	rec, inner, err := o.begin(srv)
	if err != nil {
		if o.listener != nil {
			_ = o.listener.Close() // clients must not wait there
		}
		return fmt.Errorf("grpcdrain: %w", err)
	}
	s := &server{
		options: o, srv: srv, tracked: rec.tracked, task: ctx,
		told: make(chan struct{}), conns: make(map[*conn]struct{}), rpcs: make(map[*rpc]struct{}),
	}
	l := &listener{Listener: inner, s: s, closing: make(chan struct{})}
	rec.run.Store(s)
	defer rec.run.Store(nil)

	if s.ready = newReadiness(s); s.ready != nil {
		var following sync.WaitGroup
		c := shutdown.FromContext(ctx)
		s.ready.check(c) // before the first client asks
		following.Go(func() { s.ready.follow(c, s.told) })
		defer following.Wait()
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	group.Started(ctx)
	select {
	case <-ctx.Done():
	case <-l.closing: // the listener has failed, or the user called GracefulStop or Stop
	}
	return s.drain(l, served)
}
