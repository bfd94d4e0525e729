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

// Actors that were written for oklog/run.
func Example_oklogActors() {
	quit := make(chan struct{})
	execute := func() error { <-quit; return nil }
	interrupt := func(error) { fmt.Println("interrupted"); close(quit) }

	stopSoon(func(ctx context.Context) error {
		var g group.Group
		g.AddActor("actor", execute, interrupt)
		return g.Run(ctx)
	})
	// Output: interrupted
}

// A whole run.Group: it is an actor itself, with one more to interrupt it.
func Example_oklogGroup() {
	var old run.Group
	quit := make(chan struct{})
	old.Add(func() error { <-quit; return nil }, func(error) { fmt.Println("interrupted"); close(quit) })

	stopSoon(func(ctx context.Context) error {
		var g group.Group
		g.Go("old", func(ctx context.Context) error {
			old.Add(func() error { <-ctx.Done(); return nil }, func(error) {})
			return old.Run()
		})
		return g.Run(ctx)
	})
	// Output: interrupted
}

// A program that is moved over, before: all actors are interrupted at once, and awaited for
// as long as it takes. A worker that hangs keeps the program, and the database, for ever.
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

// After: an actor that has a context is a task, and so is a server; the actor for signals
// is gone, since Main has them; a defer of main is a handler. Until all is moved, single
// actors and the whole run.Group can stay, as in the examples above.
func afterWithOklog(ctx context.Context) error {
	db := closer("db")
	shutdown.FromContext(ctx).Register(shutdown.Closer(db), shutdown.Name("db"))

	var g group.Group
	g.Go("worker", work)
	g.Go("http", httpdrain.Serve(newServer()))
	return g.Run(ctx)
}

func work(ctx context.Context) error {
	<-ctx.Done()
	fmt.Println("worker ended")
	return nil
}

func newServer() *http.Server {
	return &http.Server{Addr: "127.0.0.1:0", Handler: http.NotFoundHandler()}
}

// A program of oklog/run that is moved over, before and after. Its main is then
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
