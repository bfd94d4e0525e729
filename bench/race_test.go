//go:build race

package bench_test

// The race detector costs each library something else.
const raced = true
