package bench_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strconv"
	"testing"
)

// BenchmarkCaller measures the part of a registration that no library can do faster: to ask the
// runtime for the call site.
func BenchmarkCaller(b *testing.B) {
	var pc [1]uintptr
	for b.Loop() {
		runtime.Callers(2, pc[:])
	}
}

// BenchmarkLabel measures the part of a task's start that gives its goroutine a profiler label. A
// scan finds a stuck task by its label.
func BenchmarkLabel(b *testing.B) {
	defer pprof.SetGoroutineLabels(context.Background())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ctx := pprof.WithLabels(context.Background(), pprof.Labels("lastcall", "task#"+strconv.Itoa(i)))
		pprof.SetGoroutineLabels(ctx)
	}
}
