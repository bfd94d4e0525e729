package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

// run is what main calls last.
func run() error {
	srv := &http.Server{}
	go func() {
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	return srv.ListenAndServe() // want `serveends: http.Server.ListenAndServe`
}
