package step_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

func TestPromise(t *testing.T) {
	for _, tt := range []struct {
		left  time.Duration
		n     int
		terms step.Terms
		want  time.Duration
	}{
		{25 * s, 1, step.Terms{}, s},
		{25 * s, 12, step.Terms{}, s},
		{25 * s, 25, step.Terms{}, s / 2},
		{25 * s, 0, step.Terms{}, s},
		{1, 1000, step.Terms{}, 1}, // never nothing
		{0, 1, step.Terms{}, 1},
		{-s, 1, step.Terms{}, 1},
		{25 * s, 1, step.Terms{Reserve: 3 * s}, 3 * s},
		{25 * s, 1, step.Terms{Reserve: ms}, s},
		{25 * s, 1, step.Terms{Timeout: 100 * ms}, 100 * ms},
		{25 * s, 1, step.Terms{Timeout: 2 * s, Reserve: 3 * s}, 2 * s},
		{25 * s, 1, step.Terms{Timeout: 2 * s}, s},
	} {
		t.Run(fmt.Sprintf("%v for %d with %v", tt.left, tt.n, tt.terms), func(t *testing.T) {
			b := step.NewBudget(s, s+tt.left, tt.n)
			if got := b.Promise(tt.terms); got != tt.want {
				t.Errorf("Promise = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTake(t *testing.T) {
	for _, tt := range []struct {
		name    string
		owed    []time.Duration // the first is the one that starts
		timeout time.Duration
		only    bool
		want    time.Duration
		scaled  time.Duration
	}{
		{"all that is left", []time.Duration{s}, 0, false, 10 * s, s},
		{"less what is owed to the others", []time.Duration{s, s, 2 * s}, 0, false, 7 * s, s},
		{"at most its timeout", []time.Duration{s, s}, 3 * s, false, 3 * s, s},
		{"just the promise", []time.Duration{2 * s, s}, 0, true, 2 * s, 2 * s},
		{"just the promise, at most its timeout", []time.Duration{2 * s, s}, s, true, s, 2 * s},
		{"what it is promised, if that is more than the rest", []time.Duration{9 * s}, 0, false, 10 * s, 9 * s},
		{"in proportion, where there is less", []time.Duration{15 * s, 5 * s}, 0, false, 7500 * ms, 7500 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := step.NewBudget(s, 11*s, len(tt.owed))
			for _, owed := range tt.owed {
				b.Owe(owed)
			}
			got, scaled := b.Take(s, tt.owed[0], tt.timeout, tt.only)
			if got != tt.want || scaled != tt.scaled {
				t.Errorf("Take = %v, %v; want %v, %v", got, scaled, tt.want, tt.scaled)
			}
		})
	}
	t.Run("nothing when the end has come", func(t *testing.T) {
		b := step.NewBudget(s, 11*s, 1)
		b.Owe(s)
		for _, now := range []time.Duration{11 * s, 12 * s} {
			if got, _ := b.Take(now, s, 0, false); got != 0 {
				t.Errorf("Take at %v = %v, want 0", now, got)
			}
		}
	})
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		owed time.Duration
		want bool
	}{{0, false}, {9 * s, false}, {9*s + 1, true}, {math.MaxInt64, true}} {
		b := step.NewBudget(s, 11*s, 1)
		b.Owe(tt.owed)
		if got := b.Fit(s); got != tt.want {
			t.Errorf("Fit with %v owed of 10 s = %v, want %v", tt.owed, got, tt.want)
		}
		if b.Fit(s) {
			t.Errorf("a second Fit with %v owed has scaled again", tt.owed)
		}
	}
}

func TestReservesOfCenturies(t *testing.T) {
	b := step.NewBudget(s, 11*s, 3)
	forever := b.Promise(step.Terms{Reserve: math.MaxInt64})
	for range 3 {
		b.Owe(forever)
	}
	b.Fit(s)
	for now, i := s, 0; i < 3; i++ {
		got, _ := b.Take(now, forever, 0, false)
		if got <= 0 || now+got > 11*s {
			t.Errorf("step %d gets %v at %v", i, got, now)
		}
		now += got
	}
}

func TestNest(t *testing.T) {
	outer := step.NewBudget(s, 11*s, 3)
	outer.Owe(2 * s) // for the nested
	outer.Owe(s)     // for one after it
	inner := outer.Nest(s, 2*s, 0)
	inner.Owe(s)
	inner.Owe(s)
	if got, _ := inner.Take(s, s, 0, false); got != 8*s {
		t.Errorf("the first within has %v, want 8 s", got)
	}
	if got, _ := inner.Take(9*s, s, 0, false); got != s {
		t.Errorf("the second within has %v, want 1 s", got)
	}
	if got, _ := outer.Take(10*s, s, 0, false); got != s {
		t.Errorf("the one after has %v, want 1 s", got)
	}
}

func TestBoundReachesTheBudgetsAround(t *testing.T) {
	outer := step.NewBudget(0, 20*s, 3)
	outer.Owe(2 * s)
	outer.Owe(s)
	inner := outer.Nest(0, 2*s, 0)
	inner.Owe(s)
	inner.Owe(s)
	inner.Take(0, s, 0, false)
	if got := inner.Bound(4*s, 10*s, s, 0); got != 4*s { // to 8 s, with one and one after
		t.Errorf("the running step has %v left, want 4 s", got)
	}
	if got, _ := inner.Take(8*s, s, 0, false); got != s {
		t.Errorf("the second within has %v, want 1 s", got)
	}
	if got, _ := outer.Take(9*s, s, 0, false); got != s {
		t.Errorf("the one after has %v, want 1 s", got)
	}
}

func TestMargin(t *testing.T) {
	for _, tt := range []struct{ allowance, want time.Duration }{
		{0, 0},
		{1, 0},
		{2, 1},
		{20 * ms, 10 * ms},
		{50 * ms, 25 * ms},
		{100 * ms, 25 * ms},
		{500 * ms, 25 * ms},
		{600 * ms, 30 * ms},
		{10 * s, 500 * ms},
		{time.Hour, 500 * ms},
		{math.MaxInt64, 500 * ms},
	} {
		if got := step.Margin(tt.allowance); got != tt.want {
			t.Errorf("Margin(%v) = %v, want %v", tt.allowance, got, tt.want)
		}
	}
}

func TestSum(t *testing.T) {
	if got := step.Sum(s, ms); got != 1001*ms {
		t.Errorf("Sum = %v", got)
	}
	if got := step.Sum(math.MaxInt64, math.MaxInt64); got != step.Never {
		t.Errorf("Sum = %v, want Never", got)
	}
}
