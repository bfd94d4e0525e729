package main

import (
	"context"
	"example.com/serveends/web"
	"github.com/labstack/echo/v4"
	"time"
)

func main() {
	srv := echo.New()
	go func() {
		<-web.Context().Done()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}()
	_ = srv.Start(":8080") // want `serveends: echo.Echo.Start returns when Shutdown is called`
}
