package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestQuantiles(t *testing.T) {
	for _, test := range []struct {
		values         []float64
		median, spread float64
	}{
		{[]float64{3}, 3, 0},
		{[]float64{3, 1, 2}, 2, 0.25},
		{[]float64{1, 2, 3, 4}, 2.5, 0.3},
		{[]float64{10, 10, 10, 1000}, 10, 12.375},
		{[]float64{0, 0, 0}, 0, 0},
	} {
		given := slices.Clone(test.values)
		if got := median(test.values); got != test.median {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.median)
		}
		if got := spread(test.values); math.Abs(got-test.spread) > 1e-9 {
			t.Errorf("spread(%v) = %v, want %v", test.values, got, test.spread)
		}
		if !slices.Equal(given, test.values) {
			t.Errorf("%v has become %v", given, test.values)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
}

func TestAlike(t *testing.T) {
	for _, test := range []struct {
		a, b []float64
		want bool
	}{
		{[]float64{1, 2, 3, 4, 5, 6}, []float64{11, 12, 13, 14, 15, 16}, false},
		{[]float64{1, 3, 5, 7, 9, 11}, []float64{2, 4, 6, 8, 10, 12}, true},
		{[]float64{1, 2}, []float64{11, 12}, false}, // two of each prove nothing
		{nil, []float64{1}, false},
	} {
		if got := alike(test.a, test.b); got != test.want {
			t.Errorf("alike(%v, %v) = %t, want %t", test.a, test.b, got, test.want)
		}
	}
}

func TestMiddle(t *testing.T) {
	got := middle(differences([]float64{13, 12, 11, 14, 15, 16, 17, 18, 19}, []float64{10, 10, 10, 10, 10, 10, 10, 10, 10, 10}))
	if got.Center != 5 || got.Lo < 1 || got.Lo > 4 || got.Hi < 6 || got.Hi > 9 {
		t.Errorf("the middle of 1 to 9 is %v, %v to %v", got.Center, got.Lo, got.Hi)
	}
}

func TestExponent(t *testing.T) {
	sizes := []float64{10, 100, 1000, 100_000}
	for _, want := range []float64{0, 0.5, 1, 2} {
		var costs []float64
		for _, n := range sizes {
			costs = append(costs, 7*math.Pow(n, want))
		}
		if got := exponent(sizes, costs); math.Abs(got-want) > 1e-9 {
			t.Errorf("exponent = %v, want %v", got, want)
		}
	}
}

func TestAContestIsHeldInTurns(t *testing.T) {
	var turns []string
	c := contest{
		names: []string{"a", "b", "c"}, sizes: []size{{1, 2}, {10, 1}},
		measure: func(name string, n int) (cost, error) {
			turns = append(turns, name)
			return cost{drainTime: float64(n * len(turns))}, nil
		},
	}
	r, err := c.hold(context.Background(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "b", "c", "a", "a", "b", "c"}; !slices.Equal(turns, want) {
		t.Errorf("turns %v, want %v", turns, want)
	}
	if got, want := r.of("b", 1, drainTime), []float64{2, 4}; !slices.Equal(got, want) {
		t.Errorf("b's = %v, want %v", got, want)
	}
	if got, want := r.ratio("b", "a", 1, drainTime), (2.0/1+4.0/6)/2; math.Abs(got-want) > 1e-9 {
		t.Errorf("ratio = %v, want %v: of each repetition, not of the medians", got, want)
	}
	if got := r.ratio("b", "a", 1, registerTime); !math.IsNaN(got) {
		t.Errorf("ratio of what was not measured = %v, want NaN", got)
	}
}

func TestAContestEndsWithItsFirstError(t *testing.T) {
	broken := errors.New("broken")
	c := contest{names: []string{"a"}, sizes: []size{{1, 3}}, measure: func(string, int) (cost, error) { return nil, broken }}
	if _, err := c.hold(context.Background(), func(string) {}); err != broken {
		t.Errorf("err = %v, want %v", err, broken)
	}
}

// Each contestant does the work, at a size that takes no time.
func TestTheContestantsWork(t *testing.T) {
	for _, c := range []contest{handlerContest([]size{{10, 1}}), taskContest([]size{{1, 1}, {10, 1}})} {
		r, err := c.hold(context.Background(), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range c.names {
			for _, m := range []measure{drainTime, runTime} {
				if got := r.of(name, 10, m); len(got) > 0 && got[0] <= 0 {
					t.Errorf("%s, %s: %v", name, m, got)
				}
			}
			if _, ok := r.costs[key{name, 10}][0][heap]; !ok {
				t.Errorf("%s has no memory measured", name)
			}
		}
	}
}

func TestAScanFindsTheGoroutinesOfATask(t *testing.T) {
	for _, name := range scanContest(nil).names {
		if c, err := measureScan(name, 100); err != nil || c[scanTime] <= 0 {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

func TestGrowth(t *testing.T) {
	for _, g := range growths(true) {
		g.sizes = []int{10, 20}
		if err := g.hold(context.Background(), 1, func(string) {}); err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		if e := g.exponent(makeTime); math.IsNaN(e) {
			t.Errorf("%s has no exponent", g.name)
		}
	}
}
