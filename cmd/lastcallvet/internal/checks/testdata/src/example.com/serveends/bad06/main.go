package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

// AfterFunc starts a goroutine as well.
func main() {
	srv := &http.Server{}
	context.AfterFunc(web.Context(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	})
	_ = srv.ListenAndServe() // want `serveends: http.Server.ListenAndServe`
}
