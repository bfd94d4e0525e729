// Command stuck shows what the log says when a stop goes wrong. It stops after a moment, by
// itself, or earlier at Ctrl-C:
//
//	go run ./examples/recipes/stuck
//
// docs/operating.md explains the lines.
package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	shutdown.Default.Grace = 8 * time.Second
	os.Exit(shutdown.Main(run))
}

func run(ctx context.Context) error {
	shutdown.Register(closeDB, shutdown.Name("db"))
	shutdown.Register(upload, shutdown.Name("upload"))
	shutdown.Register(new(cache).flush, shutdown.Name("cache"))
	shutdown.Register(metrics, shutdown.Name("metrics"), shutdown.Timeout(time.Second))

	var g group.Group
	g.Go("worker", work)
	g.Go("timer", func(ctx context.Context) error {
		select {
		case <-time.After(time.Second):
			shutdown.Stop(nil)
		case <-ctx.Done():
		}
		return nil
	}, group.MayFinish())
	return g.Run(ctx)
}

// work ends when it is told to.
func work(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// metrics returns when its deadline has passed: late.
func metrics(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A cache cannot be flushed, because somebody has its lock: abandoned.
type cache struct{ mu sync.Mutex }

func (c *cache) flush(context.Context) error {
	c.mu.Lock()
	c.mu.Lock()
	return nil
}

// upload fails.
func upload(context.Context) error { return errors.New("connection refused") }

// closeDB leaves a goroutine behind.
func closeDB(context.Context) error {
	go func() { select {} }()
	return nil
}
