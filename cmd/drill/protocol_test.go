package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// protocolServer names what serveProtocol serves, and what it does on SIGTERM:
//
//	grpc says    ends its streams with UNAVAILABLE, and itself when its connections have
//	grpc fails   answers two calls with UNAVAILABLE before that
//	grpc exits   ends at once
//	ws says      sends close frames, and ends when its WebSockets have
//	ws exits     ends at once
//
// Each waits for the three streams of its clients before it does that.
const protocolServer = "LASTCALL_DRILL_TEST_PROTOCOL"

const protocolStreams = 3

// A protocols counts what a server has open. The end of leaving is that of the streams.
type protocols struct {
	grpc_health_v1.UnimplementedHealthServer
	leaving  context.Context
	open     atomic.Int64
	answered atomic.Int64
	toFail   atomic.Int64
}

func serveProtocol(kind string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	leaving, leave := context.WithCancel(context.Background())
	p := &protocols{leaving: leaving}
	var stop func()
	switch kind {
	case "ws says", "ws exits":
		stop = p.serveWebSockets(l)
	default:
		stop = p.serveGRPC(l)
	}
	<-term
	await(func() bool { return p.open.Load() >= protocolStreams })
	switch kind {
	case "grpc exits", "ws exits":
		time.Sleep(settle) // the first answers of the streams are on their way
		os.Exit(0)
	case "grpc fails":
		p.toFail.Store(2)
		await(func() bool { return p.toFail.Load() <= 0 })
		p.answered.Store(0)
		time.Sleep(settle) // the drill connects meanwhile
		await(func() bool { return p.answered.Load() >= 30 })
	}
	leave()
	await(func() bool { return p.open.Load() == 0 })
	stop()
	os.Exit(0)
}

func await(f func() bool) {
	for !f() {
		time.Sleep(time.Millisecond)
	}
}

func (p *protocols) serveGRPC(l net.Listener) (stop func()) {
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, p)
	go func() { _ = srv.Serve(l) }()
	return srv.GracefulStop
}

func (p *protocols) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	time.Sleep(10 * time.Millisecond)
	if p.toFail.Load() > 0 && p.toFail.Add(-1) >= 0 {
		return nil, status.Error(codes.Unavailable, "no database")
	}
	p.answered.Add(1)
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (p *protocols) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := s.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
		return err
	}
	p.open.Add(1)
	defer p.open.Add(-1)
	select {
	case <-p.leaving.Done():
		return status.Error(codes.Unavailable, "the server stops")
	case <-s.Context().Done(): // of the call before the load
		return nil
	}
}

func (p *protocols) serveWebSockets(l net.Listener) (stop func()) {
	var wg sync.WaitGroup
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer ws.CloseNow()
			wg.Add(1)
			defer wg.Done()
			if _, hello, err := ws.Read(context.Background()); err != nil || len(hello) != len("hello ")+len(idPlaceholder) {
				return
			}
			p.open.Add(1)
			gone := ws.CloseRead(context.Background())
			select {
			case <-p.leaving.Done():
				_ = ws.Close(websocket.StatusGoingAway, "the server stops")
			case <-gone.Done():
			}
			p.open.Add(-1)
		}))
	}()
	return wg.Wait
}
