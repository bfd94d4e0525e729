package group_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// The server was added last, so it stops first. The database, which the server uses, stops
// after that.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	var g group.Group
	g.Go("database", func(ctx context.Context) error {
		<-ctx.Done()
		fmt.Println("database stopped")
		return nil
	})
	g.Go("server", func(ctx context.Context) error {
		<-ctx.Done()
		fmt.Println("server stopped")
		return nil
	})
	cancel() // in a program, a signal ends the context: see packages shutdown and signals
	fmt.Println(g.Run(ctx))
	// Output:
	// server stopped
	// database stopped
	// <nil>
}

// The server is begun when the cache is filled.
func ExampleWarmup() {
	ctx, stop := context.WithCancel(context.Background())
	var g group.Group
	g.Go("cache", func(ctx context.Context) error {
		fmt.Println("cache filled") // in a program this takes some time
		group.Started(ctx)
		<-ctx.Done()
		fmt.Println("cache stopped")
		return nil
	}, group.Warmup(time.Minute))
	g.Go("server", func(ctx context.Context) error {
		fmt.Println("serving")
		stop() // in a program: Ctrl-C
		<-ctx.Done()
		fmt.Println("server stopped")
		return nil
	})
	fmt.Println(g.Run(ctx))
	// Output:
	// cache filled
	// serving
	// server stopped
	// cache stopped
	// <nil>
}

// A task runs until its context ends. A task with MayFinish may also return earlier, without
// stopping the group. Done tells other tasks when it has ended.
func ExampleGroup_Go() {
	ctx, stop := context.WithCancel(context.Background())
	var g group.Group
	migration := g.Go("migration", func(context.Context) error {
		fmt.Println("tables migrated")
		return nil
	}, group.MayFinish())
	g.Go("server", func(ctx context.Context) error {
		<-migration.Done()
		fmt.Println("serving")
		stop() // in a program: Ctrl-C
		<-ctx.Done()
		fmt.Println("stopped")
		return nil
	})
	fmt.Println(g.Run(ctx))
	// Output:
	// tables migrated
	// serving
	// stopped
	// <nil>
}

// The first task that ends stops the group. Its error comes first.
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

// Run has the signature of a task, so groups can be nested.
func ExampleGroup_Run_nested() {
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

// A server has two functions: one that serves, and one that makes it return. With an
// http.Server the second one is srv.Shutdown. The error that the first one returns after the
// second one was called, such as http.ErrServerClosed, does not count.
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

// When the worker is told to stop, it finishes the job in hand and takes no other one.
func ExampleWorkContext() {
	ctx, stop := context.WithCancel(context.Background())
	jobs := make(chan string, 1)
	jobs <- "job 1"
	process := func(ctx context.Context, job string) {
		stop() // the stop is requested during the job
		fmt.Println(job, "done, context ended:", ctx.Err() != nil)
	}
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
	// job 1 done, context ended: false
	// <nil>
}
