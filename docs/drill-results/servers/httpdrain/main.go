// Command httpdrain is a net/http server that lastcall stops, as its README says:
// https://github.com/lastcall-go/lastcall#readme
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/lastcall-go/lastcall/docs/drill-results/servers/internal/work"
	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

func main() { os.Exit(shutdown.Main(run)) }

func run(ctx context.Context) error {
	var g group.Group
	g.Go("http", httpdrain.Serve(&http.Server{Addr: work.Addr(), Handler: work.Routes()}))
	return g.Run(ctx)
}
