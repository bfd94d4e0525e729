// region program

package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

var addr = flag.String("addr", "127.0.0.1:8080", "the address to serve on")

func main() {
	flag.Parse()
	os.Exit(shutdown.Main(run))
}

func run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(3 * time.Second)
		fmt.Fprintln(w, "done")
	})

	var g group.Group
	g.Go("http", httpdrain.Serve(&http.Server{Addr: *addr, Handler: mux}))
	return g.Run(ctx)
}

// endregion
