package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumbers(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{count(0), "0"},
		{count(999), "999"},
		{count(1000), "1 000"},
		{count(1_000_000), "1 000 000"},
		{count(-1234), "-1 234"},
		{nanoseconds(1.234), "1.23 ns"},
		{nanoseconds(99.4), "99.4 ns"},
		{nanoseconds(999.4), "999 ns"},
		{nanoseconds(999.6), "1 µs"},
		{nanoseconds(12_345), "12.3 µs"},
		{nanoseconds(2e9), "2 s"},
		{nanoseconds(5e12), "5 000 s"},
		{digits(0.001), "0"},
		{digits(0.5), "0.5"},
		{digits(99.96), "100"},
		{digits(-709), "-709"},
		{digits(math.NaN()), "–"},
		{times(1), "1×"},
		{times(0.0073), "0.0073×"},
		{times(15.8), "15.8×"},
		{times(math.NaN()), "–"},
		{percent(0.125), "±13 %"},
		{byteCount(2907.4), "2 907 B"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestTable(t *testing.T) {
	want := "|   | of 1 |\n" +
		"|---|------|\n" +
		"| a | 1 µs |\n" +
		"| b | –    |\n"
	if diff := cmp.Diff(want, table([][]string{{"", "of 1"}, {"a", "1 µs"}, {"b", "–"}})); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
