package bench_test

import (
	"context"
	"errors"
	"testing"

	"github.com/oklog/run"

	"github.com/lastcall-go/lastcall/group"
)

const tasks = 100

var errStop = errors.New("stop")

// BenchmarkGroup is a hundred tasks from start to stopped, newest first, each awaited.
func BenchmarkGroup(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var g group.Group
		for range tasks {
			g.Go("task", func(ctx context.Context) error { <-ctx.Done(); return nil })
		}
		g.Go("first", func(context.Context) error { return errStop })
		if err := g.Run(context.Background()); !errors.Is(err, errStop) {
			b.Fatal(err)
		}
	}
}

// BenchmarkGroupOklog is the same work by oklog/run, all at once.
func BenchmarkGroupOklog(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var g run.Group
		for range tasks {
			ctx, cancel := context.WithCancel(context.Background())
			g.Add(func() error { <-ctx.Done(); return nil }, func(error) { cancel() })
		}
		g.Add(func() error { return errStop }, func(error) {})
		if err := g.Run(); err != errStop {
			b.Fatal(err)
		}
	}
}
