package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

var addr = flag.String("addr", "127.0.0.1:8080", "the address to serve on")

// region main
func main() {
	flag.Parse()
	shutdown.Default.Grace = 20 * time.Second
	shutdown.Default.Delay = time.Second
	os.Exit(shutdown.Main(run))
}

// endregion

// region run
func run(ctx context.Context) error {
	// Opened first, closed last.
	file, err := os.OpenFile("orders.txt", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	shutdown.Register(shutdown.Closer(file), shutdown.Name("orders.txt"))

	// Tasks are told to stop newest first: the server, then the writer.
	orders := make(chan string)
	var g group.Group
	g.Go("writer", func(ctx context.Context) error { return write(ctx, file, orders) })
	g.Go("http", httpdrain.Serve(&http.Server{Addr: *addr, Handler: routes(orders)}))
	return g.Run(ctx)
}

// endregion

// region rest
func routes(orders chan<- string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{item}", func(w http.ResponseWriter, r *http.Request) {
		select {
		case orders <- r.PathValue("item"):
			fmt.Fprintln(w, "accepted")
		case <-r.Context().Done():
		}
	})
	return mux
}

// write writes orders until it is told to stop. Each takes two seconds.
func write(ctx context.Context, w io.Writer, orders <-chan string) error {
	for {
		select {
		case item := <-orders:
			time.Sleep(2 * time.Second)
			if _, err := fmt.Fprintln(w, item); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// endregion
