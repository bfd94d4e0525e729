package bench_test

import (
	"runtime"
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
