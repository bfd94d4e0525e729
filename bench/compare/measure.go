package main

import (
	"context"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/perf/benchmath"
)

// A cost is the result of one repetition, for one handler or task.
type cost map[measure]float64

type measure string

const (
	exitTime       measure = "signal to exit"
	wholeTime      measure = "register and drain"
	registerTime   measure = "register"
	registerAllocs measure = "register, allocations"
	drainTime      measure = "drain"
	drainAllocs    measure = "drain, allocations"
	runTime        measure = "start to stopped"
	runAllocs      measure = "start to stopped, allocations"
	heap           measure = "memory"
	goroutines     measure = "goroutines"
	doneTime       measure = "signal to Done"
	requestTime    measure = "request"
	requestAllocs  measure = "request, allocations"
	lagTime        measure = "lag"
	scanTime       measure = "scan"
)

// A contest is work that several libraries do at several sizes.
type contest struct {
	title   string
	names   []string // the first one is lastcall's
	sizes   []size
	measure func(name string, n int) (cost, error)
}

// A size is a number of handlers or tasks, and the number of repetitions.
type size struct{ n, repetitions int }

// results holds the repetitions of every contestant at every size, in order. Repetitions with the
// same index ran directly one after the other.
type results struct {
	contest
	costs map[key][]cost
}

type key struct {
	name string
	n    int
}

// hold makes all measurements. The contestants take turns, and each repetition begins with another
// one, so that other work on the machine affects all of them alike.
func (c contest) hold(ctx context.Context, progress func(string)) (*results, error) {
	r := &results{c, make(map[key][]cost)}
	for _, s := range c.sizes {
		for rep := range s.repetitions {
			for turn := range c.names {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				name := c.names[(rep+turn)%len(c.names)]
				progress(c.title + ", " + count(s.n) + ", " + name)
				runtime.GC()
				measured, err := c.measure(name, s.n)
				if err != nil {
					return nil, err
				}
				r.costs[key{name, s.n}] = append(r.costs[key{name, s.n}], measured)
			}
		}
	}
	return r, nil
}

// of returns the values of one measure.
func (r *results) of(name string, n int, m measure) []float64 {
	var values []float64
	for _, c := range r.costs[key{name, n}] {
		if v, ok := c[m]; ok {
			values = append(values, v)
		}
	}
	return values
}

// ratio returns the median of the ratios of the cost of name to that of base in the same repetition.
// It is NaN if one of them was not measured.
func (r *results) ratio(name, base string, n int, m measure) float64 {
	return median(quotients(r.of(name, n, m), r.of(base, n, m)))
}

// A meter measures time and allocations between its start and its stop.
type meter struct {
	start  time.Time
	allocs uint64
}

func startMeter() meter {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return meter{time.Now(), m.Mallocs}
}

// stop returns nanoseconds and allocations for each of n.
func (m meter) stop(n int) (nanoseconds, allocs float64) {
	took := time.Since(m.start)
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return float64(took) / float64(n), float64(now.Mallocs-m.allocs) / float64(n)
}

// A scale weighs memory and counts goroutines.
type scale struct{ bytes, goroutines int }

func weigh() scale {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return scale{int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}

// more returns the increase since before, for each of n.
func (s scale) more(before scale, n int) cost {
	return cost{
		heap:       max(0, float64(s.bytes-before.bytes)/float64(n)),
		goroutines: max(0, float64(s.goroutines-before.goroutines)/float64(n)),
	}
}

// settle waits until the goroutines of the last measurement have ended.
func settle(goroutines int) {
	for end := time.Now().Add(time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// median of no values is NaN.
func median(values []float64) float64 { return quantile(values, 0.5) }

// spread is half the distance between the quartiles, as a part of the median.
func spread(values []float64) float64 {
	m := median(values)
	if m == 0 {
		return 0
	}
	return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / m
}

// quantile interpolates between the two values next to it.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// quotients divides values with the same index.
func quotients(of, by []float64) []float64 {
	var q []float64
	for n := range min(len(of), len(by)) {
		q = append(q, of[n]/by[n])
	}
	return q
}

// alike reports whether two samples may differ only by chance, by the test of benchstat. It is false
// for samples that are too small for the test.
func alike(a, b []float64) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	c := benchmath.AssumeNothing.Compare(sample(a), sample(b))
	return c.P >= c.Alpha && len(c.Warnings) == 0
}

// middle returns the median and its 95 % confidence interval, which is infinite for fewer than six
// values.
func middle(values []float64) benchmath.Summary {
	if len(values) == 0 {
		return benchmath.Summary{Center: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1)}
	}
	return benchmath.AssumeNothing.Summary(sample(values), 0.95)
}

func sample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// differences subtracts values with the same index.
func differences(of, from []float64) []float64 {
	var d []float64
	for n := range min(len(of), len(from)) {
		d = append(d, of[n]-from[n])
	}
	return d
}

// exponent is b of the power law y = a·x^b that fits best: 1 is linear growth.
func exponent(xs, ys []float64) float64 {
	var sx, sy, sxx, sxy float64
	for n := range xs {
		x, y := math.Log(xs[n]), math.Log(ys[n])
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	n := float64(len(xs))
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
