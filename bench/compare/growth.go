package main

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A growth measures the cost of lastcall at increasing sizes. It must grow in proportion.
type growth struct {
	name    string
	sizes   []int
	measure func(n int) (cost, error)
	costs   map[int][]cost
}

const (
	makeTime   measure = "make"
	reportTime measure = "report"
	heapAfter  measure = "memory, drained"
)

// growthMeasures are the measures in the table.
var growthMeasures = []measure{makeTime, drainTime, reportTime, heap, heapAfter}

func growths(quick bool) []*growth {
	all := []*growth{
		{name: "handlers", sizes: []int{10_000, 100_000, 1_000_000}, measure: growHandlers},
		{name: "scopes, each inside the one before", sizes: []int{1000, 3000, 10_000}, measure: growDepth},
		{name: "scopes side by side, with a handler each", sizes: []int{10_000, 30_000, 100_000}, measure: growBreadth},
		{name: "tasks", sizes: []int{1000, 10_000, 100_000}, measure: growTasks},
	}
	if quick {
		for _, g := range all {
			g.sizes = g.sizes[:len(g.sizes)-1]
		}
	}
	return all
}

func (g *growth) hold(ctx context.Context, repetitions int, progress func(string)) error {
	g.costs = make(map[int][]cost)
	for range repetitions {
		for _, n := range g.sizes {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			progress("growth, " + g.name + ", " + count(n))
			runtime.GC()
			c, err := g.measure(n)
			if err != nil {
				return err
			}
			g.costs[n] = append(g.costs[n], c)
		}
	}
	return nil
}

// of returns the median for each of n.
func (g *growth) of(n int, m measure) float64 {
	var values []float64
	for _, c := range g.costs[n] {
		if v, ok := c[m]; ok {
			values = append(values, v)
		}
	}
	return median(values)
}

// exponent returns the exponent of growth over all sizes.
func (g *growth) exponent(m measure) float64 {
	var xs, ys []float64
	for _, n := range g.sizes {
		xs, ys = append(xs, float64(n)), append(ys, float64(n)*g.of(n, m))
	}
	return exponent(xs, ys)
}

func growHandlers(n int) (cost, error) {
	return growStack(n, func(c *shutdown.Coordinator) {
		for range n {
			c.Register(empty)
		}
	})
}

func growDepth(n int) (cost, error) {
	return growStack(n, func(c *shutdown.Coordinator) {
		s := c.Scope("scope")
		for range n - 1 {
			s.Register(empty)
			s = s.Scope("scope")
		}
		s.Register(empty)
	})
}

func growBreadth(n int) (cost, error) {
	return growStack(n, func(c *shutdown.Coordinator) {
		for range n {
			c.Scope("scope").Register(empty)
		}
	})
}

func growStack(n int, fill func(*shutdown.Coordinator)) (cost, error) {
	defer settle(runtime.NumGoroutine())
	c := quiet()
	before := weigh()
	m := startMeter()
	fill(c)
	made, _ := m.stop(n)
	full := weigh().more(before, n)
	nothing := emptyDrain()
	m = startMeter()
	r := c.Run(context.Background(), empty)
	drained, _ := m.stop(1)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if len(r.Steps) != n+1 {
		return nil, errors.New("the report lacks steps")
	}
	m = startMeter()
	_, _ = io.WriteString(io.Discard, r.String())
	reported, _ := m.stop(n)
	after := weigh().more(before, n)
	runtime.KeepAlive(c)
	runtime.KeepAlive(r)
	return cost{
		makeTime: made, drainTime: (drained - nothing) / float64(n), reportTime: reported,
		heap: full[heap], heapAfter: after[heap],
	}, nil
}

// emptyDrain measures the drain of a Coordinator without handlers.
func emptyDrain() float64 {
	var took []float64
	for range 9 {
		c := quiet()
		m := startMeter()
		c.Run(context.Background(), empty)
		nanoseconds, _ := m.stop(1)
		took = append(took, nanoseconds)
	}
	return median(took)
}

// growTasks measures the time until all tasks run, and then the drain.
func growTasks(n int) (cost, error) {
	defer settle(runtime.NumGoroutine())
	var begun sync.WaitGroup
	begun.Add(n)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	before := weigh()
	m := startMeter()
	var g group.Group
	for range n {
		g.Go("task", func(ctx context.Context) error {
			begun.Done()
			return waits(ctx)
		})
	}
	go func() { result <- g.Run(ctx) }()
	begun.Wait()
	made, _ := m.stop(n)
	weight := weigh().more(before, n)
	m = startMeter()
	cancel()
	err := <-result
	stopped, _ := m.stop(n)
	return cost{makeTime: made, drainTime: stopped, heap: weight[heap]}, err
}
