package heavy_test

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// region gin
func ginServer(addr string) *http.Server {
	e := gin.New()
	e.Use(gin.Recovery())
	e.GET("/report", func(c *gin.Context) {
		// Not c itself: its values are not those of the request's context.
		text, err := report(c.Request.Context())
		if err != nil {
			c.AbortWithError(http.StatusServiceUnavailable, err)
			return
		}
		c.String(http.StatusOK, text)
	})
	return &http.Server{Addr: addr, Handler: e} // for httpdrain.Serve, instead of e.Run
}

// endregion

// The request in flight is answered, and its handler returns, before the server's task ends. The
// drain waits for the work that the handler leaves in the background.
func TestGin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		srv := ginServer("")
		var returned atomic.Bool
		inner := srv.Handler
		srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner.ServeHTTP(w, r)
			returned.Store(true)
		})
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			g.Go("http", func(ctx context.Context) error {
				err := httpdrain.Serve(srv, httpdrain.Listener(l))(ctx)
				if !returned.Load() {
					t.Error("the server's task has ended before the handler has returned")
				}
				return err
			})
			return g.Run(ctx)
		})
		answer := make(chan string, 1)
		go func() {
			res, err := l.Client().Get("http://server/report")
			if err != nil {
				answer <- err.Error()
				return
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			answer <- res.Status + " " + string(text)
		}()
		synctest.Wait()
		p.Signal(syscall.SIGTERM)
		if got, want := <-answer, "200 OK the report"; got != want {
			t.Errorf("answer %q, want %q", got, want)
		}
		p.Clean()
		p.Within(2100 * time.Millisecond)
		var held bool
		for _, s := range p.Wait().Steps {
			held = held || s.Kind == shutdown.KindHold && s.Name == "archive"
		}
		if !held {
			t.Error("the work in the background is not in the report")
		}
	})
}

// No request of 8 clients is lost while the server stops.
func TestGinLosesNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext}
		e := gin.New()
		e.POST("/", func(c *gin.Context) {
			id, err := c.GetRawData()
			if err != nil {
				_ = c.AbortWithError(http.StatusBadRequest, err)
				return
			}
			c.Data(http.StatusOK, "text/plain", id)
		})
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			g.Go("http", httpdrain.Serve(&http.Server{Handler: load.Handler(e)}, httpdrain.Listener(l)))
			return g.Run(ctx)
		})
		tally := load.Run(t, func() { p.Signal(syscall.SIGTERM); p.Wait() })
		if tally.Answered < 100 {
			t.Errorf("%+v: want 100 answered requests before the stop", tally)
		}
		p.Clean()
	})
}

// report takes a second, and a copy in the background one more.
func report(ctx context.Context) (string, error) {
	if err := sleep(ctx, time.Second); err != nil {
		return "", err
	}
	shutdown.FromContext(ctx).Go(ctx, "archive", func(ctx context.Context) error { return sleep(ctx, time.Second) })
	return "the report", nil
}
