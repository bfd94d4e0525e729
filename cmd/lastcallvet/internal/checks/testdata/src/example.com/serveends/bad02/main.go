package main

import (
	"context"
	"example.com/serveends/web"
	"log"
	"net/http"
	"time"
)

// log.Fatal ends the process even sooner.
func main() {
	srv := &http.Server{}
	go func() {
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	log.Fatal(srv.ListenAndServe()) // want `serveends: http.Server.ListenAndServe`
}
