// Package tested has the tests that docs/testing.md shows.
package tested_test

import (
	"context"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// region testing

// run is what main gives to shutdown.Main.
func run(ctx context.Context) error {
	shutdown.Register(func(context.Context) error { return nil }, shutdown.Name("db"))
	var g group.Group
	g.Go("worker", func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(2 * time.Second) // finishes its job
		return nil
	})
	return g.Run(ctx)
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shutdowntest.Start(t, shutdowntest.New(t), run)
		synctest.Wait() // until the worker waits
		p.Signal(os.Interrupt)
		p.Clean()                       // exit code 0, no failure
		p.Order("main", "worker", "db") // as they were told to stop
		p.Within(2 * time.Second)       // virtual time: the test waits for nothing
		p.NothingLeaked()
	})
}

// endregion

// region load
func TestNoRequestIsLost(t *testing.T) {
	l := shutdowntest.Listen(t) // a network in memory
	load := shutdowntest.Load{URL: "http://server/orders", Dial: l.DialContext}
	orders := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	})
	p := shutdowntest.Start(t, shutdowntest.New(t), func(ctx context.Context) error {
		var g group.Group
		g.Go("http", httpdrain.Serve(&http.Server{Handler: load.Handler(orders)}, httpdrain.Listener(l)))
		return g.Run(ctx)
	})
	load.Run(t, func() { p.Signal(os.Interrupt); p.Wait() }) // fails if a request is lost
	p.Clean()
}

// endregion
