//go:build race

package bench_test

// The race detector slows down each library by a different factor.
const raced = true
