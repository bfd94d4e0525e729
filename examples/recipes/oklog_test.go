package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/oklog/run"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// An actor that was written for oklog/run is a task as it is.
func Example_oklogActors() {
	quit := make(chan struct{})
	execute := func() error { <-quit; return nil }
	interrupt := func(error) { fmt.Println("interrupted"); close(quit) }

	stopSoon(func(ctx context.Context) error {
		var g group.Group
		// region oklog
		g.AddActor("actor", execute, interrupt)
		// endregion
		return g.Run(ctx)
	})
	// Output: interrupted
}

// A whole run.Group is a task, with one more actor that interrupts it.
func Example_oklogGroup() {
	var old run.Group
	quit := make(chan struct{})
	old.Add(func() error { <-quit; return nil }, func(error) { fmt.Println("interrupted"); close(quit) })

	stopSoon(func(ctx context.Context) error {
		var g group.Group
		// region oklog-group
		g.Go("old", func(ctx context.Context) error {
			old.Add(func() error { <-ctx.Done(); return nil }, func(error) {})
			return old.Run()
		})
		// endregion
		return g.Run(ctx)
	})
	// Output: interrupted
}

// A program of oklog/run, before it is moved over. All actors are interrupted at once, and
// awaited without a limit. If the worker hangs, the program never ends, and never closes its
// database.
//
// region oklog-before
func beforeWithOklog(ctx context.Context) error {
	db := closer("db")
	defer db.Close()

	var g run.Group
	g.Add(run.SignalHandler(ctx, os.Interrupt, syscall.SIGTERM))
	{
		ctx, cancel := context.WithCancel(context.Background())
		g.Add(func() error { return work(ctx) }, func(error) { cancel() })
	}
	{
		srv := newServer()
		g.Add(func() error {
			if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		}, func(error) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = srv.Shutdown(ctx)
		})
	}
	err := g.Run()
	if errors.Is(err, run.ErrSignal) || errors.Is(err, context.Canceled) {
		return nil // asked to stop
	}
	return err
}

// endregion

// The same program, after it was moved over. An actor that has a context is a task, and so is a
// server. There is no actor for signals, because Main handles them. A deferred call of main is a
// handler. Until all is moved over, single actors and the whole run.Group can stay, as in the
// examples above.
//
// region oklog-after
func afterWithOklog(ctx context.Context) error {
	db := closer("db")
	shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))

	var g group.Group
	g.Go("worker", work)
	g.Go("http", httpdrain.Serve(newServer()))
	return g.Run(ctx)
}

// endregion

func work(ctx context.Context) error {
	<-ctx.Done()
	fmt.Println("worker ended")
	return nil
}

func newServer() *http.Server {
	return &http.Server{Addr: "127.0.0.1:0", Handler: http.NotFoundHandler()}
}

// A program of oklog/run that is moved over, before and after. Its main becomes
//
//	func main() { os.Exit(shutdown.Main(run)) }
func Example_oklogProgram() {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	fmt.Println("before:", beforeWithOklog(ctx))

	fmt.Println("after:")
	stopSoon(afterWithOklog)
	// Output:
	// worker ended
	// db closed
	// before: <nil>
	// after:
	// worker ended
	// db closed
}
