package main

import (
	"example.com/serveends/web"
	"google.golang.org/grpc"
	"net"
)

// Serve of gRPC waits for the GracefulStop.
func main() {
	l, _ := net.Listen("tcp", ":0")
	s := grpc.NewServer()
	go func() {
		<-web.Context().Done()
		s.GracefulStop() //lastcall:ignore unbounded this is about Serve
	}()
	_ = s.Serve(l)
}
