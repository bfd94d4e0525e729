//go:build unix

package bench_test

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/signals"
)

// The time from kill to Done, in this process, without the time to set up and to stop.
func BenchmarkSignalToDone(b *testing.B)        { benchSignal(b, signals.NotifyContext) }
func BenchmarkNotifyContextToDone(b *testing.B) { benchSignal(b, signal.NotifyContext) }

func benchSignal(b *testing.B, notify func(context.Context, ...os.Signal) (context.Context, context.CancelFunc)) {
	self := os.Getpid()
	for b.Loop() {
		b.StopTimer()
		ctx, stop := notify(context.Background(), syscall.SIGUSR1)
		b.StartTimer()
		if err := syscall.Kill(self, syscall.SIGUSR1); err != nil {
			b.Fatal(err)
		}
		<-ctx.Done()
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}
