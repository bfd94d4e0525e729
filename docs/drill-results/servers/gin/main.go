// Command gin stops as gin's manual says: https://gin-gonic.com/en/docs/examples/graceful-restart-or-stop/
// The limit of 5 s and the exit status 1 after it are those of the manual's example:
// https://github.com/gin-gonic/examples/tree/master/graceful-shutdown
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lastcall-go/lastcall/docs/drill-results/servers/internal/work"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	router.POST("/", func(c *gin.Context) {
		work.Record(c.GetHeader("X-Request-Id"))
		c.String(http.StatusOK, "done\n")
	})
	router.GET("/slow", func(c *gin.Context) {
		work.Record(c.GetHeader("X-Request-Id"))
		time.Sleep(work.Slow)
		c.String(http.StatusOK, "done\n")
	})

	srv := &http.Server{Addr: work.Addr(), Handler: router}
	go func() {
		if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()
	stop()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
