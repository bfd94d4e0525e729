package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lastcall-go/lastcall/examples/grpc-server/echo"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/signals"
)

type service struct{ echo.UnimplementedEchoServer }

// server is how this process names itself in its answers.
var server = fmt.Sprintf("server %d", os.Getpid())

// Say is finished during the drain. If it takes too long, it is interrupted shortly before the
// deadline, and the client learns why.
func (*service) Say(ctx context.Context, req *echo.SayRequest) (*echo.SayReply, error) {
	select {
	case <-time.After(req.GetAfter().AsDuration()):
		return &echo.SayReply{Text: req.GetText(), Server: server}, nil
	case <-ctx.Done():
		return nil, interrupted(ctx)
	}
}

// region ticks

// Ticks ends with the status OK when the server is told to stop. The client then opens the
// stream again, and reaches another server.
func (*service) Ticks(_ *echo.TicksRequest, stream grpc.ServerStreamingServer[echo.Tick]) error {
	ctx := stream.Context()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := int64(1); ; n++ {
		if err := stream.Send(&echo.Tick{Number: n, Server: server}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-grpcdrain.Draining(ctx):
			return nil
		case <-ctx.Done():
			return interrupted(ctx)
		}
	}
}

// endregion

// region chat

// Chat waits for its client, and the end of a context does not wake Recv. So it receives on a
// goroutine of its own, which ends with the RPC.
func (*service) Chat(stream grpc.BidiStreamingServer[echo.SayRequest, echo.SayReply]) error {
	ctx := stream.Context()
	requests, failed := make(chan *echo.SayRequest), make(chan error, 1)
	go func() {
		for {
			req, err := stream.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case requests <- req:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case req := <-requests:
			if err := stream.Send(&echo.SayReply{Text: req.GetText(), Server: server}); err != nil {
				return err
			}
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-grpcdrain.Draining(ctx):
			return nil
		case <-ctx.Done():
			return interrupted(ctx)
		}
	}
}

// endregion

// interrupted is the answer to a call whose context has ended. If the server ends it, the client
// may try again: another server can answer.
func interrupted(ctx context.Context) error {
	var second *signals.Error
	if cause := context.Cause(ctx); errors.Is(cause, shutdown.ErrGrace) || errors.As(cause, &second) {
		return status.Error(codes.Unavailable, "the server is stopping")
	}
	return status.FromContextError(ctx.Err()).Err()
}
