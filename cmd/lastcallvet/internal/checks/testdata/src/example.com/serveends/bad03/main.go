package main

import (
	"context"
	"example.com/serveends/web"
	"net"
	"net/http"
	"time"
)

func main() {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		panic(err)
	}
	srv := http.Server{}
	go stop(&srv)
	_ = srv.Serve(l) // want `serveends: http.Server.Serve`
	println("bye")
}

func stop(srv *http.Server) {
	<-web.Context().Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = srv.Shutdown(ctx)
}
