package grpcdrain_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// An echo is a service of two methods, which a test writes. A nil method returns its request.
type echo struct {
	unary  func(ctx context.Context, text string) (string, error)
	stream func(s grpc.ServerStream) error
}

const (
	unaryMethod  = "/echo.Echo/Unary"
	streamMethod = "/echo.Echo/Stream"
)

var echoService = grpc.ServiceDesc{
	ServiceName: "echo.Echo",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(srv any, ctx context.Context, decode func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
		req := new(wrapperspb.StringValue)
		if err := decode(req); err != nil {
			return nil, err
		}
		call := func(ctx context.Context, req any) (any, error) {
			e := srv.(*echo)
			if e.unary == nil {
				return req, nil
			}
			text, err := e.unary(ctx, req.(*wrapperspb.StringValue).Value)
			return wrapperspb.String(text), err
		}
		if around == nil {
			return call(ctx, req)
		}
		return around(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: unaryMethod}, call)
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, ClientStreams: true, Handler: func(srv any, s grpc.ServerStream) error {
		if f := srv.(*echo).stream; f != nil {
			return f(s)
		}
		for {
			m := new(wrapperspb.StringValue)
			if err := s.RecvMsg(m); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
	}}},
}

// A program has a main that serves srv on a network in memory.
type program struct {
	*shutdowntest.Program
	t    *testing.T
	dial func(context.Context) (net.Conn, error)
}

// grace is the grace period of the programs of tests. The deadline of main is 500 ms before its end.
const grace = 10 * time.Second

// start runs the task as main until the test ends.
func start(t *testing.T, srv *grpc.Server, opts ...grpcdrain.Option) *program {
	t.Helper()
	return startFor(t, &shutdown.Coordinator{Grace: grace}, srv, opts...)
}

func startFor(t *testing.T, c *shutdown.Coordinator, srv *grpc.Server, opts ...grpcdrain.Option) *program {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	return startOn(t, c, l, l.DialContext, srv, opts...)
}

func startOn(t *testing.T, c *shutdown.Coordinator, l net.Listener, dial func(context.Context) (net.Conn, error), srv *grpc.Server, opts ...grpcdrain.Option) *program {
	t.Helper()
	nop := zerolog.Nop()
	c.Logger = &nop
	task := grpcdrain.Serve(srv, append(opts, grpcdrain.Listener(l))...)
	return &program{shutdowntest.Start(t, c, task), t, dial}
}

// ended stops the program and returns its report, and the time that the stop has taken. The search
// for goroutines left behind, which may take 10 ms more, does not count.
func (p *program) ended() (r *shutdown.Report, took time.Duration) {
	p.Stop(nil)
	r = p.Wait()
	return r, r.Took
}

// clean stops the program, and expects no failure and that it takes this time.
func (p *program) clean(want time.Duration) *shutdown.Report {
	p.t.Helper()
	r, took := p.ended()
	if err := r.Err(); err != nil || took != want {
		p.t.Errorf("the stop took %v, want %v; error = %v", took, want, err)
	}
	return r
}

// client returns a client that is closed when the test ends.
func (p *program) client() *grpc.ClientConn {
	p.t.Helper()
	cc, err := grpc.NewClient("passthrough:test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.dial(ctx) }))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cc.Close() })
	return cc
}

// call calls the unary method.
func call(ctx context.Context, cc *grpc.ClientConn, text string) (string, error) {
	res := new(wrapperspb.StringValue)
	err := cc.Invoke(ctx, unaryMethod, wrapperspb.String(text), res)
	return res.Value, err
}

// open opens a stream, which ends with the test at the latest.
func (p *program) open(cc *grpc.ClientConn) grpc.ClientStream {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.t.Cleanup(cancel)
	s, err := cc.NewStream(ctx, &echoService.Streams[0], streamMethod)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// serve returns a server of NewServer with the service.
func serve(e *echo, opts ...grpc.ServerOption) *grpc.Server {
	srv := grpcdrain.NewServer(opts...)
	srv.RegisterService(&echoService, e)
	return srv
}

// takes returns a unary method that takes d, whatever its context does.
func takes(d time.Duration) func(context.Context, string) (string, error) {
	return func(_ context.Context, text string) (string, error) {
		time.Sleep(d)
		return text, nil
	}
}

// inFlight calls the unary method, and returns when the call has reached the handler.
func inFlight(cc *grpc.ClientConn) (answered <-chan error) {
	res := make(chan error, 1)
	go func() {
		_, err := call(context.Background(), cc, "")
		res <- err
	}()
	synctest.Wait()
	return res
}

// bubble runs f in a bubble, and expects that it leaves no goroutine.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, f)
		goleak.VerifyNone(t)
	})
}

// newNetwork makes a network in memory, on which p's clients call.
func newNetwork(p *program) net.Listener {
	l := bufconn.Listen(1 << 16)
	p.dial = l.DialContext
	return l
}

// A statsHandler is called when an RPC begins.
type statsHandler func(context.Context)

func (h statsHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (h statsHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}
func (h statsHandler) HandleConn(context.Context, stats.ConnStats) {}
func (h statsHandler) HandleRPC(ctx context.Context, e stats.RPCStats) {
	if _, ok := e.(*stats.Begin); ok {
		h(ctx)
	}
}
