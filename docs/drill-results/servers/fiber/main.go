// Command fiber stops with ShutdownWithContext: https://docs.gofiber.io/api/app#server-shutdown
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/lastcall-go/lastcall/docs/drill-results/servers/internal/work"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	app := fiber.New()
	app.Post("/", func(c fiber.Ctx) error {
		work.Record(c.Get("X-Request-Id"))
		return c.SendString("done\n")
	})
	app.Get("/slow", func(c fiber.Ctx) error {
		work.Record(c.Get("X-Request-Id"))
		time.Sleep(work.Slow)
		return c.SendString("done\n")
	})
	go func() {
		if err := app.Listen(work.Addr(), fiber.ListenConfig{DisableStartupMessage: true}); err != nil {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := app.ShutdownWithContext(ctx); err != nil {
		log.Fatal(err)
	}
}
