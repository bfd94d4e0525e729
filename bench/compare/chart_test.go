package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSpreadOut(t *testing.T) {
	for _, test := range []struct {
		name          string
		heights, want []float64
	}{
		{"none", nil, nil},
		{"far apart", []float64{1, 5, 9}, []float64{1, 5, 9}},
		{"two in one place", []float64{5, 5}, []float64{4.5, 5.5}},
		{"a heap at the bottom", []float64{0, 0, 0}, []float64{0, 1, 2}},
		{"a heap at the top", []float64{10, 10}, []float64{9, 10}},
		{"those that are moved move others", []float64{4, 5, 5, 5.5}, []float64{3.375, 4.375, 5.375, 6.375}},
	} {
		got := spreadOut(test.heights, 1, 0, 10)
		if diff := cmp.Diff(test.want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", test.name, diff)
		}
	}
}

func TestPowers(t *testing.T) {
	var got []string
	for _, tick := range powers(nanoseconds).Ticks(1, 10_000) {
		got = append(got, tick.Label)
	}
	if diff := cmp.Diff([]string{"1 ns", "10 ns", "100 ns", "1 µs", "10 µs"}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestChart(t *testing.T) {
	r := &results{contest{names: []string{lastcall, "a & b"}, sizes: []size{{1, 1}, {100, 1}}}, map[key][]cost{
		{lastcall, 1}: {{drainTime: 30}}, {lastcall, 100}: {{drainTime: 3}},
		{"a & b", 1}: {{drainTime: 0}}, {"a & b", 100}: {{drainTime: 4}}, // zero has no place on the axis
	}}
	dir := t.TempDir()
	if err := (chart{"x.svg", "The title", "handlers", "time", r, drainTime}).write(dir); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "x.svg"))
	if err != nil {
		t.Fatal(err)
	}
	svg := string(content)
	for _, want := range []string{"The title", lastcall, "a &amp; b", "10 ns", "sans-serif"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in the picture", want)
		}
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
