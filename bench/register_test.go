package bench_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strconv"
	"testing"
)

// BenchmarkCaller is the part of a registration that no library can do cheaper: to ask
// the runtime where it was made.
func BenchmarkCaller(b *testing.B) {
	var pc [1]uintptr
	for b.Loop() {
		runtime.Callers(2, pc[:])
	}
}

// BenchmarkLabel is the part of a task's start that gives its goroutine a profiler label of
// its own, by which it is found when it is stuck.
func BenchmarkLabel(b *testing.B) {
	defer pprof.SetGoroutineLabels(context.Background())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ctx := pprof.WithLabels(context.Background(), pprof.Labels("lastcall", "task#"+strconv.Itoa(i)))
		pprof.SetGoroutineLabels(ctx)
	}
}
