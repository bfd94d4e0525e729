package bench_test

import (
	"context"
	"testing"

	"github.com/oklog/run"

	"github.com/lastcall-go/lastcall/group"
)

// The tasks wait for the end of their contexts. One of them stops the group as soon as it runs.
const benchTasks = 100

func BenchmarkGroup100(b *testing.B)           { benchGroup(b, false) }
func BenchmarkGroup100Concurrent(b *testing.B) { benchGroup(b, true) }

func benchGroup(b *testing.B, concurrent bool) {
	b.ReportAllocs()
	for b.Loop() {
		g := group.Group{Concurrent: concurrent}
		for range benchTasks - 1 {
			g.Go("task", waits)
		}
		g.Go("task", succeeds)
		if err := g.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOklogRun100 uses run.Group as it is, to compare with a concurrent group: it interrupts
// all actors and then waits for all. The actors have contexts of their own.
func BenchmarkOklogRun100(b *testing.B) {
	benchOklogRun(b, func(g *run.Group) {
		ctx, cancel := context.WithCancel(context.Background())
		g.Add(func() error { return waits(ctx) }, func(error) { cancel() })
	})
}

// BenchmarkOklogRun100InOrder waits for each actor before it interrupts the next.
func BenchmarkOklogRun100InOrder(b *testing.B) { benchOklogRun(b, addInOrder) }

func addInOrder(g *run.Group) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	g.Add(func() error {
		defer close(done)
		return waits(ctx)
	}, func(error) {
		cancel()
		<-done
	})
}

func benchOklogRun(b *testing.B, add func(*run.Group)) {
	b.ReportAllocs()
	for b.Loop() {
		var g run.Group
		for range benchTasks - 1 {
			add(&g)
		}
		g.Add(func() error { return nil }, func(error) {})
		if err := g.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func waits(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func succeeds(context.Context) error { return nil }
