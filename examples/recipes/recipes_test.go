package recipes_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// An http.Server: the requests in flight are answered, and no client loses one.
func Example_httpServer() {
	addr, mux := "127.0.0.1:0", http.NewServeMux()
	// region http
	run := func(ctx context.Context) error {
		srv := &http.Server{Addr: addr, Handler: mux}

		var g group.Group
		g.Go("http", httpdrain.Serve(srv))
		return g.Run(ctx)
	}
	// endregion
	stopSoon(run)
	fmt.Println("ended")
	// Output: ended
}

// Any other server that has a pair of functions: one that serves, and one that makes it return.
func Example_pair() {
	// region pair
	run := func(ctx context.Context) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: http.NotFoundHandler()}

		var g group.Group
		g.Add("server", func(context.Context) error { return srv.Serve(l) }, srv.Shutdown)
		return g.Run(ctx)
	}
	// endregion
	stopSoon(run)
	fmt.Println("ended")
	// Output: ended
}

// Anything with a Close, and any func(), func() error or func(context.Context), is a handler.
func Example_closer() {
	file := closer("file")
	stopTimer := func() { fmt.Println("timer stopped") }
	stopSoon(func(ctx context.Context) error {
		// region closer
		shutdown.Register(shutdown.Closer(file), shutdown.Name("file"))
		shutdown.Register(shutdown.Func(stopTimer), shutdown.Name("timer"))
		// endregion
		<-ctx.Done()
		return ctx.Err()
	})
	// Output:
	// timer stopped
	// file closed
}

type closer string

func (c closer) Close() error { fmt.Println(c, "closed"); return nil }

// An errgroup is a task.
func Example_errgroup() {
	urls := strings.Fields("a b")
	fetch := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	stopSoon(func(ctx context.Context) error {
		var g group.Group
		// region errgroup
		g.Go("fetch", func(ctx context.Context) error {
			eg, ctx := errgroup.WithContext(ctx)
			for _, url := range urls {
				eg.Go(func() error { return fetch(ctx, url) })
			}
			return eg.Wait()
		})
		// endregion
		return g.Run(ctx)
	})
	fmt.Println("ended")
	// Output: ended
}

// A scope closes what lives shorter than the program: with its Close, or with the program if
// that ends first.
func Example_scope() {
	conn := closer("connection")
	stopSoon(func(ctx context.Context) error {
		serveTenant := func(ctx context.Context) error {
			// region scope
			s := shutdown.NewScope("tenant")
			defer s.Close(ctx)
			s.Register(shutdown.Closer(conn), shutdown.Name("connection"))
			// endregion
			fmt.Println("tenant served")
			return nil
		}
		return serveTenant(ctx)
	})
	// Output:
	// tenant served
	// connection closed
}
