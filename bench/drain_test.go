package bench_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/lastcall-go/lastcall/shutdown"
)

func empty(context.Context) error { return nil }

var silent = zerolog.New(io.Discard).Level(zerolog.InfoLevel)

// quiet is a Coordinator without signals, whose log is thrown away.
func quiet() *shutdown.Coordinator {
	return &shutdown.Coordinator{
		Signals: []os.Signal{},
		Logger:  &silent,
	}
}

// BenchmarkRegister measures one registration of a thousand, and one of millions. The latter is
// mostly the growth of the heap.
func BenchmarkRegister(b *testing.B) {
	b.Run("thousand", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; {
			c := quiet()
			for range min(1000, b.N-i) {
				c.Register(empty)
				i++
			}
		}
	})
	b.Run("endless", func(b *testing.B) {
		c := quiet()
		b.ReportAllocs()
		for b.Loop() {
			c.Register(empty)
		}
	})
}

// BenchmarkDrain measures a handler in the drain: its deadline, isolation, label, times and line in
// the report.
func BenchmarkDrain(b *testing.B) {
	for _, n := range []int{1, 10, 100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				c := quiet()
				for range n {
					c.Register(empty)
				}
				b.StartTimer()
				r := c.Run(context.Background(), empty)
				if len(r.Steps) != n+1 {
					b.Fatal(len(r.Steps))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/handler")
		})
	}
}

// BenchmarkDrainFx measures the same work with fx's lifecycle.
func BenchmarkDrainFx(b *testing.B) {
	for _, n := range []int{1, 10, 100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				app := fx.New(fx.NopLogger, fx.Invoke(func(l fx.Lifecycle) {
					for range n {
						l.Append(fx.Hook{OnStop: empty})
					}
				}))
				if err := app.Start(context.Background()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := app.Stop(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/handler")
		})
	}
}
