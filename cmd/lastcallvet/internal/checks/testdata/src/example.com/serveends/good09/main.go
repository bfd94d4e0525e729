package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

// The program does not end with this function.
func main() {
	go serve()
	select {}
}

func serve() {
	srv := &http.Server{}
	go func() {
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	_ = srv.ListenAndServe()
}
