package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

// It serves again.
func main() {
	for {
		srv := &http.Server{}
		go func() {
			<-web.Context().Done()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = srv.Shutdown(ctx)
		}()
		if err := srv.ListenAndServe(); err != nil {
			println(err.Error())
		}
	}
}
