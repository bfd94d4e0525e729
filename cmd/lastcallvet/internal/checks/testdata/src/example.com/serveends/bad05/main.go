package main

import (
	"context"
	"example.com/serveends/web"
	"github.com/spf13/cobra"
	"net/http"
	"time"
)

var serve = &cobra.Command{
	Use: "serve",
	RunE: func(cmd *cobra.Command, args []string) error {
		srv := &http.Server{}
		go func() {
			<-web.Context().Done()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = srv.Shutdown(ctx)
		}()
		return srv.ListenAndServe() // want `serveends: http.Server.ListenAndServe`
	},
}

func main() {
	_ = serve.Execute()
}
