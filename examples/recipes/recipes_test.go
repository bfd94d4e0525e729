package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// An http.Server: the requests in flight are answered, and no client loses one.
func Example_httpServer() {
	main := func(ctx context.Context) error {
		srv := &http.Server{Addr: "127.0.0.1:0", Handler: http.NotFoundHandler()}

		var g group.Group
		g.Go("http", httpdrain.Serve(srv))
		return g.Run(ctx)
	}
	stopSoon(main)
	fmt.Println("ended")
	// Output: ended
}

// Another server that has a pair of functions: what serves, and what makes it return.
func Example_pair() {
	main := func(ctx context.Context) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: http.NotFoundHandler()}

		var g group.Group
		g.Add("server", func(context.Context) error { return srv.Serve(l) }, srv.Shutdown)
		return g.Run(ctx)
	}
	stopSoon(main)
	fmt.Println("ended")
	// Output: ended
}

// A worker loop: it takes no more jobs when it is asked to stop, and finishes the one in
// hand.
func Example_workerLoop() {
	jobs := make(chan string, 1)
	jobs <- "job 1"
	process := func(ctx context.Context, job string) error {
		select {
		case <-time.After(100 * time.Millisecond): // longer than until the stop
			fmt.Println("finished", job)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}

	worker := func(ctx context.Context) error {
		for {
			select {
			case job := <-jobs:
				if err := process(group.WorkContext(ctx), job); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	stopSoon(func(ctx context.Context) error {
		var g group.Group
		g.Go("worker", worker)
		return g.Run(ctx)
	})
	// Output: finished job 1
}

// A ticker.
func Example_ticker() {
	refreshed := make(chan struct{})
	first := sync.OnceFunc(func() { fmt.Println("refreshed"); close(refreshed) })
	refresh := func(context.Context) error { first(); return nil }

	ticker := func(ctx context.Context) error {
		t := time.NewTicker(30 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := refresh(group.WorkContext(ctx)); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	}
	stopAfter(refreshed, func(ctx context.Context) error {
		var g group.Group
		g.Go("refresh", ticker)
		return g.Run(ctx)
	})
	// Output: refreshed
}

// An io.Closer.
func Example_closer() {
	file := closer("file")
	stopSoon(func(ctx context.Context) error {
		shutdown.FromContext(ctx).Register(shutdown.Closer(file), shutdown.Name("file"))
		<-ctx.Done()
		return ctx.Err()
	})
	// Output: file closed
}

type closer string

func (c closer) Close() error { fmt.Println(c, "closed"); return nil }

// An errgroup is a task.
func Example_errgroup() {
	urls := strings.Fields("a b")
	stopSoon(func(ctx context.Context) error {
		var g group.Group
		g.Go("fetch", func(ctx context.Context) error {
			eg, ctx := errgroup.WithContext(ctx)
			for range urls {
				eg.Go(func() error { <-ctx.Done(); return ctx.Err() })
			}
			return eg.Wait()
		})
		return g.Run(ctx)
	})
	fmt.Println("ended")
	// Output: ended
}

// What must outlive everything else, such as an admin listener, is started on the
// Coordinator before the rest.
func Example_admin() {
	stopSoon(func(ctx context.Context) error {
		c := shutdown.FromContext(ctx)
		c.Start(func(ctx context.Context) error {
			<-ctx.Done()
			fmt.Println("admin ends")
			return nil
		}, shutdown.Name("admin"))
		c.Register(func(context.Context) error { fmt.Println("db closed"); return nil })
		<-ctx.Done()
		return errors.Join(ctx.Err()) // being asked to stop is not an error, however it is wrapped
	})
	// Output:
	// db closed
	// admin ends
}
