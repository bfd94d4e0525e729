package group_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lastcall-go/lastcall/group"
)

// Two tasks: the one that was added last is stopped first, so that what it uses is
// still there.
func Example() {
	until := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			<-ctx.Done()
			fmt.Println(name, "stopped")
			return nil
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var g group.Group
	g.Go("database", until("database"))
	g.Go("server", until("server"))
	cancel() // what signals.NotifyContext or a shutdown.Coordinator does
	fmt.Println(g.Run(ctx))
	// Output:
	// server stopped
	// database stopped
	// <nil>
}

// The first task to end stops the group; its error comes first.
func ExampleGroup_Run() {
	var g group.Group
	g.Go("cache", func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("cannot write the cache")
	})
	g.Go("feed", func(context.Context) error { return errors.New("connection refused") })
	fmt.Println(g.Run(context.Background()))
	// Output:
	// task "feed": connection refused
	// task "cache": cannot write the cache
}

// A pair of functions: what Serve returns after Shutdown is not an error. With an
// http.Server, the second is srv.Shutdown.
func ExampleGroup_Add() {
	closed := make(chan struct{})
	serve := func(context.Context) error {
		<-closed
		return errors.New("server closed")
	}
	shutdown := func(context.Context) error {
		fmt.Println("shutting down")
		close(closed)
		return nil
	}
	var g group.Group
	g.Add("server", serve, shutdown)
	g.Go("job", func(context.Context) error { return nil })
	fmt.Println(g.Run(context.Background()))
	// Output:
	// shutting down
	// <nil>
}

// A worker stops taking jobs when it is told to, and finishes the one in hand.
func ExampleWorkContext() {
	ctx, stop := context.WithCancel(context.Background())
	process := func(ctx context.Context, job string) {
		stop() // the request comes in the middle of it
		fmt.Println(job, "processed, cut off:", ctx.Err() != nil)
	}
	jobs := make(chan string, 1)
	jobs <- "job 1"
	var g group.Group
	g.Go("worker", func(ctx context.Context) error {
		for {
			select {
			case job := <-jobs:
				process(group.WorkContext(ctx), job)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	fmt.Println(g.Run(ctx))
	// Output:
	// job 1 processed, cut off: false
	// <nil>
}

// Run has the signature of a task.
func ExampleGroup_nested() {
	var workers group.Group
	workers.Go("mail", func(context.Context) error { return errors.New("no such host") })
	workers.Go("audit", func(ctx context.Context) error {
		<-ctx.Done()
		fmt.Println("audit stopped")
		return nil
	})
	var g group.Group
	g.Go("workers", workers.Run)
	fmt.Println(g.Run(context.Background()))
	// Output:
	// audit stopped
	// task "workers": task "mail": no such host
}
