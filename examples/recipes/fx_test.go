package recipes_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/fx"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/signals"
)

// A program of fx, before it is moved over. A pair of hooks starts and stops each part.
//
// region fx-before
func beforeWithFx() *fx.App {
	return fx.New(
		fx.NopLogger,
		fx.Provide(fxDB, newServer),
		fx.Invoke(fxWorker, fxServe),
	)
}

func fxDB(lc fx.Lifecycle) *database {
	db := &database{}
	lc.Append(fx.Hook{OnStart: db.Open, OnStop: func(context.Context) error { return db.Close() }})
	return db
}

func fxWorker(lc fx.Lifecycle, _ *database) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error {
			go func() {
				defer close(done)
				_ = work(ctx)
			}()
			return nil
		},
		OnStop: func(stop context.Context) error {
			cancel()
			select {
			case <-done:
				return nil
			case <-stop.Done():
				return stop.Err()
			}
		},
	})
}

func fxServe(lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error {
			l, err := net.Listen("tcp", srv.Addr)
			if err != nil {
				return err
			}
			go srv.Serve(l)
			return nil
		},
		OnStop: srv.Shutdown,
	})
}

// endregion

// The same program without fx. The code of OnStart is called where it stands. An OnStop that
// closes something is a handler. An OnStart that starts a goroutine, with the OnStop that ends
// it, is a task.
//
// region fx-after
func afterWithFx(ctx context.Context) error {
	db := &database{}
	if err := db.Open(ctx); err != nil {
		return err
	}
	shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))

	var g group.Group
	g.Go("worker", work)
	g.Go("http", httpdrain.Serve(newServer()))
	return g.Run(ctx)
}

// endregion

// The app stays as it is.
//
// region fx
func runApp(ctx context.Context, app *fx.App) error {
	shutdown.Register(app.Stop, shutdown.Name("fx")) // first: it also stops an app that has started in part
	start, cancel := context.WithTimeout(group.WorkContext(ctx), app.StartTimeout())
	defer cancel()
	if err := app.Start(start); err != nil {
		return err
	}

	var g group.Group
	g.Go("fx", func(ctx context.Context) error {
		select {
		case s := <-app.Wait(): // fx.Shutdowner was called, or fx has received a signal
			if s.ExitCode != 0 {
				return &shutdown.ExitError{Code: s.ExitCode}
			}
			shutdown.Stop(&signals.Error{Signal: s.Signal}) // a mere return would skip the delay
		case <-ctx.Done():
		}
		return nil
	})
	g.Go("new", untilTold) // a part that is no longer in the app
	return g.Run(ctx)
}

// endregion

type database struct{ events events }

func (db *database) Open(context.Context) error {
	db.events.add("opened")
	fmt.Println("db opened")
	return nil
}

func (db *database) Close() error {
	db.events.add("closed")
	fmt.Println("db closed")
	return nil
}

func untilTold(ctx context.Context) error {
	<-ctx.Done()
	fmt.Println("new ended")
	return nil
}

// A program of fx that is moved over: before, as one step, and without fx.
func Example_fxProgram() {
	app := beforeWithFx()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	fmt.Println("before:", app.Start(ctx), app.Stop(ctx))

	fmt.Println("as one step:")
	stopSoon(func(ctx context.Context) error { return runApp(ctx, beforeWithFx()) })
	fmt.Println("without fx:")
	stopSoon(afterWithFx)
	// Output:
	// db opened
	// worker ended
	// db closed
	// before: <nil> <nil>
	// as one step:
	// db opened
	// new ended
	// worker ended
	// db closed
	// without fx:
	// db opened
	// worker ended
	// db closed
}
