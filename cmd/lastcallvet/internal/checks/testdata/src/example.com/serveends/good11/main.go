package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

// A helper waits.
func main() {
	srv := &http.Server{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	_ = srv.ListenAndServe()
	wait(done)
}

func wait(done chan struct{}) { <-done }
