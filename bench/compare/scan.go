package main

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/lastcall-go/lastcall/group"
	profile "github.com/lastcall-go/lastcall/internal/stacks"
)

// The two kinds of scan: by label, to find the step of each goroutine, and by wait state.
const (
	byLabel = "by label"
	byState = "by wait state"
)

// scanContest measures a scan of the n goroutines that a task has started.
func scanContest(sizes []size) contest {
	return contest{"scans", []string{byLabel, byState}, sizes, measureScan}
}

func measureScan(name string, n int) (c cost, err error) {
	defer settle(runtime.NumGoroutine())
	var g group.Group
	g.Go("scan", func(context.Context) error {
		end, begun := make(chan struct{}), make(chan struct{})
		defer close(end)
		for range n {
			go func() { begun <- struct{}{}; <-end }()
		}
		for range n {
			<-begun
		}
		buf := make([]byte, (n+64)<<10)
		start := time.Now()
		seen := scan[name](buf)
		c = cost{scanTime: float64(time.Since(start))}
		if seen() < n {
			return errors.New("the scan missed goroutines")
		}
		return nil
	})
	err = g.Run(context.Background())
	return c, err
}

// scan returns a function that counts the goroutines it has found.
var scan = map[string]func(buf []byte) (seen func() int){
	byLabel: func([]byte) func() int {
		stacks := profile.Labelled()
		return func() (n int) {
			for _, stack := range stacks {
				n += stack.Count
			}
			return n
		}
	},
	byState: func(buf []byte) func() int {
		text := buf[:runtime.Stack(buf, true)] // as package tree does for up to 10 000 goroutines
		return func() int { return bytes.Count(text, []byte("\n\n")) + 1 }
	},
}

func (r *report) scansTable() string {
	rows := [][]string{{"goroutines", byLabel, byState}}
	for _, s := range r.scans.sizes {
		row := []string{count(s.n)}
		for _, name := range r.scans.names {
			row = append(row, r.scans.cell(name, s.n, scanTime, nanoseconds))
		}
		rows = append(rows, row)
	}
	return table(rows)
}
