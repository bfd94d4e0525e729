package recipes_test

import (
	"context"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// region echo
func echoServer(addr string) *http.Server {
	e := echo.New()
	e.GET("/report", func(c echo.Context) error {
		text, err := report(c.Request().Context())
		if err != nil {
			return echo.NewHTTPError(http.StatusServiceUnavailable, err.Error())
		}
		return c.String(http.StatusOK, text)
	})
	return &http.Server{Addr: addr, Handler: e} // for httpdrain.Serve, instead of e.Start
}

// endregion

// region chi
func chiServer(addr string) *http.Server {
	r := chi.NewRouter()
	r.Get("/report", func(w http.ResponseWriter, r *http.Request) {
		text, err := report(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, text)
	})
	return &http.Server{Addr: addr, Handler: r} // for httpdrain.Serve, instead of http.ListenAndServe
}

// endregion

// The request in flight is answered. Its context is that of a request which httpdrain serves, so
// the drain waits for the work that it leaves in the background.
func TestFrameworks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(addr string) *http.Server
	}{
		{"echo", echoServer},
		{"chi", chiServer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := shutdowntest.Listen(t)
				p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
					var g group.Group
					g.Go("http", httpdrain.Serve(tt.server(""), httpdrain.Listener(l)))
					return g.Run(ctx)
				})
				answer := make(chan string, 1)
				go func() {
					res, err := l.Client().Get("http://server/report")
					if err != nil {
						answer <- err.Error()
						return
					}
					text, _ := io.ReadAll(res.Body)
					_ = res.Body.Close()
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
		})
	}
}

// report takes a second, and a copy in the background one more.
func report(ctx context.Context) (string, error) {
	if err := sleep(ctx, time.Second); err != nil {
		return "", err
	}
	shutdown.FromContext(ctx).Go(ctx, "archive", func(ctx context.Context) error { return sleep(ctx, time.Second) })
	return "the report", nil
}
