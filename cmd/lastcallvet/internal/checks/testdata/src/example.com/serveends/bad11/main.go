package main

import (
	"context"
	"example.com/serveends/web"
	"net/http"
	"time"
)

type app struct{ srv *http.Server }

func (a *app) run() error {
	defer println("ended")
	go a.stop()
	if err := a.srv.ListenAndServe(); err != nil && err != http.ErrServerClosed { // want `serveends: http.Server.ListenAndServe`
		return err
	}
	return nil
}

func (a *app) stop() {
	<-web.Context().Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.srv.Shutdown(ctx)
}

func main() {
	a := &app{srv: &http.Server{}}
	_ = a.run()
}
