package main

import (
	"context"
	"example.com/serveends/web"
	"golang.org/x/sync/errgroup"
	"net/http"
	"time"
)

// Nobody waits for the group.
func main() {
	srv := &http.Server{}
	g, gctx := errgroup.WithContext(web.Context())
	g.Go(func() error {
		<-gctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return srv.Shutdown(ctx)
	})
	_ = srv.ListenAndServe() // want `serveends: http.Server.ListenAndServe`
}
