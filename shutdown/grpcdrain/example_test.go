package grpcdrain_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

// A stop is requested while a client has a stream open. The stream ends with OK, and the server
// stops.
func ExampleServe() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	// region serve
	srv := grpcdrain.NewServer()
	ready := health.NewServer()
	healthpb.RegisterHealthServer(srv, ready)
	RegisterTicksServer(srv, new(ticks))

	var g group.Group
	g.Go("grpc", grpcdrain.Serve(srv, grpcdrain.Listener(l), grpcdrain.Health(ready)))
	// endregion
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- g.Run(ctx) }()

	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	defer cc.Close()
	stream, err := cc.NewStream(context.Background(), &ticksService.Streams[0], "/example.Ticks/Watch")
	if err != nil {
		panic(err)
	}
	m := new(wrapperspb.Int64Value)
	fmt.Println("received:", stream.RecvMsg(m) == nil)
	stop() // in a service: SIGTERM
	for err = nil; err == nil; {
		err = stream.RecvMsg(m)
	}
	fmt.Println("the stream ended with OK:", err == io.EOF)
	fmt.Println("stopped:", <-stopped)
	// Output:
	// received: true
	// the stream ended with OK: true
	// stopped: <nil>
}

// A stream ends when the server is told to stop. Its client then calls another server.
func ExampleDraining() {
	// region draining
	_ = func(stream grpc.ServerStream) error { // a handler
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := int64(0); ; n++ {
			if err := stream.SendMsg(wrapperspb.Int64(n)); err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-grpcdrain.Draining(stream.Context()):
				return nil // the client sees the status OK
			case <-stream.Context().Done():
				return context.Cause(stream.Context())
			}
		}
	}
	// endregion
}

// A ticks is a service without generated code.
type ticks struct{}

func (*ticks) watch(stream grpc.ServerStream) error {
	if err := stream.SendMsg(wrapperspb.Int64(0)); err != nil {
		return err
	}
	<-grpcdrain.Draining(stream.Context())
	return nil
}

// RegisterTicksServer is what protoc-gen-go-grpc generates, as is the description of the service.
func RegisterTicksServer(s grpc.ServiceRegistrar, srv *ticks) { s.RegisterService(&ticksService, srv) }

var ticksService = grpc.ServiceDesc{
	ServiceName: "example.Ticks",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Watch", ServerStreams: true,
		Handler: func(srv any, s grpc.ServerStream) error { return srv.(*ticks).watch(s) },
	}},
}
