package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

// It is Serve that is in the goroutine.
func main() {
	srv := &http.Server{}
	go srv.ListenAndServe()
	<-web.Context().Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = srv.Shutdown(ctx)
}
