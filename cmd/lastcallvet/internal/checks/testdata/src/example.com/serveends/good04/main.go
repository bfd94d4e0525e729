package main

import (
	"context"
	"example.com/serveends/web"
	"github.com/oklog/run"
	"net/http"
	"time"
)

// The group waits for both functions.
func main() {
	srv := &http.Server{}
	var g run.Group
	g.Add(srv.ListenAndServe, func(error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	})
	_ = g.Run()
	_ = web.Context
}
