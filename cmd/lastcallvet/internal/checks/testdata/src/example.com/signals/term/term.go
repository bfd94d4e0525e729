// Package term catches SIGTERM elsewhere.
package term

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func serve(srv *http.Server) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go onTerm(srv)
	go srv.ListenAndServe()
	<-ctx.Done()
}

func onTerm(srv *http.Server) {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, syscall.SIGTERM)
	<-sigs
	_ = srv.Close()
}
