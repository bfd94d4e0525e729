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
)

// A program of fx, before it is moved over. A pair of hooks starts and stops each part.
//
// region fx-before
func beforeWithFx() *fx.App {
	return fx.New(
		fx.NopLogger,
		fx.Provide(fxDB, newServer),
		fx.Invoke(fxServe, fxWorker),
	)
}

func fxDB(lc fx.Lifecycle) *database {
	db := &database{}
	lc.Append(fx.Hook{OnStart: db.Open, OnStop: func(context.Context) error { return db.Close() }})
	return db
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

// endregion

// The same program, after it was moved over. The code of OnStart is called where it stands. An
// OnStop that closes something is a handler. A pair of hooks that starts and ends a goroutine is
// a task, whose error is no longer lost.
//
// region fx-after
func afterWithFx(ctx context.Context) error {
	db := &database{}
	if err := db.Open(ctx); err != nil {
		return err
	}
	shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))

	var g group.Group
	g.Go("http", httpdrain.Serve(newServer()))
	g.Go("worker", work)
	return g.Run(ctx)
}

// endregion

// On the way, the app stays as it is, and its Stop is a handler.
//
// region fx
func betweenWithFx(ctx context.Context) error {
	app := beforeWithFx()
	if err := app.Start(ctx); err != nil {
		return err // Start has stopped the parts that it had started
	}
	shutdown.Register(app.Stop, shutdown.Name("fx"))

	var g group.Group
	g.Go("new", untilTold)
	return g.Run(ctx)
}

// endregion

type database struct{}

func (*database) Open(context.Context) error { fmt.Println("db opened"); return nil }
func (*database) Close() error               { fmt.Println("db closed"); return nil }

func untilTold(ctx context.Context) error {
	<-ctx.Done()
	fmt.Println("new ended")
	return nil
}

// A program of fx that is moved over: before, on the way, and after. app.Run becomes
// shutdown.Main, which handles the signals, and fx.Shutdowner becomes shutdown.Stop.
func Example_fxProgram() {
	app := beforeWithFx()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	fmt.Println("before:", app.Start(ctx), app.Stop(ctx))

	fmt.Println("on the way:")
	stopSoon(betweenWithFx)
	fmt.Println("after:")
	stopSoon(afterWithFx)
	// Output:
	// db opened
	// worker ended
	// db closed
	// before: <nil> <nil>
	// on the way:
	// db opened
	// new ended
	// worker ended
	// db closed
	// after:
	// db opened
	// worker ended
	// db closed
}
