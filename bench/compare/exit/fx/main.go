// Command fx is a server with ten hooks of fx's lifecycle, and one for the server.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"go.uber.org/fx"
)

const hooks = 10

func main() { fx.New(fx.Invoke(register)).Run() }

func register(l fx.Lifecycle) {
	for range hooks {
		l.Append(fx.Hook{OnStop: cleanup})
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	l.Append(fx.Hook{OnStart: func(context.Context) error {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go func() { _ = srv.Serve(listener) }()
		fmt.Println("ready")
		return nil
	}, OnStop: srv.Shutdown})
}

func cleanup(context.Context) error { return nil }
