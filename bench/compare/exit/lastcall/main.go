// Command lastcall is a server with ten handlers.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

const handlers = 10

func main() { os.Exit(shutdown.Main(run)) }

func run(ctx context.Context) error {
	for range handlers {
		shutdown.Register(cleanup)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var g group.Group
	g.Go("http", httpdrain.Serve(&http.Server{Handler: http.NotFoundHandler()}, httpdrain.Listener(l)))
	fmt.Println("ready")
	return g.Run(ctx)
}

func cleanup(context.Context) error { return nil }
