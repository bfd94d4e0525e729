package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

// Another server is shut down.
func main() {
	admin, srv := &http.Server{Addr: ":1"}, &http.Server{}
	go admin.ListenAndServe()
	go func() {
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = admin.Shutdown(ctx)
	}()
	_ = srv.ListenAndServe()
}
