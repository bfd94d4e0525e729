package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"sync"
	"time"
)

func main() {
	srv := &http.Server{}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Add(1)
	go func() {
		defer wg.Done()
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	_ = srv.ListenAndServe()
}
