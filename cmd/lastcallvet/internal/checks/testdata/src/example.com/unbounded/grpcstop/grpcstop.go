// Package grpcstop stops a gRPC server in two steps.
package grpcstop

import (
	"time"

	"example.com/unbounded/helper"
	"google.golang.org/grpc"
)

func stop(gs *grpc.Server) {
	t := time.AfterFunc(time.Second, gs.Stop)
	defer t.Stop()
	gs.GracefulStop()
}

func inTwo(gs *grpc.Server, told chan struct{}) {
	go func() {
		<-told
		gs.Stop()
	}()
	helper.Graceful(gs)
}
