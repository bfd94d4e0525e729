package main

import (
	"context"
	"example.com/serveends/web"
	"log"
	"net/http"
	"time"
)

func main() {
	srv := &http.Server{}
	go func() {
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed { // want `serveends: http.Server.ListenAndServe returns when Shutdown is called \(line \d+\), not when it is done`
		log.Fatal(err)
	}
}
