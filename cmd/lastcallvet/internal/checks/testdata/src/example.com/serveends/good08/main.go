package main

import (
	"example.com/serveends/web"
	"net/http"
)

// Close cuts in any case.
func main() {
	srv := &http.Server{}
	go func() {
		<-web.Context().Done()
		_ = srv.Close()
	}()
	_ = srv.ListenAndServe()
}
