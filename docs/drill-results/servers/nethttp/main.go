// Command nethttp stops as the example of Server.Shutdown does: https://pkg.go.dev/net/http#Server.Shutdown
// It catches SIGTERM, which container runtimes send, instead of SIGINT.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/lastcall-go/lastcall/docs/drill-results/servers/internal/work"
)

func main() {
	srv := &http.Server{Addr: work.Addr(), Handler: work.Routes()}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		<-term
		if err := srv.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
	}()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stopped
}
