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

// The two looks at the goroutines of a process: whose they are, and what each waits for.
const (
	byLabel = "by label"
	byState = "by wait state"
)

// lookContest measures a look where a task has started n goroutines.
func lookContest(sizes []size) contest {
	return contest{"looks", []string{byLabel, byState}, sizes, measureLook}
}

func measureLook(name string, n int) (c cost, err error) {
	defer settle(runtime.NumGoroutine())
	var g group.Group
	g.Go("look", func(context.Context) error {
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
		seen := look[name](buf)
		c = cost{lookTime: float64(time.Since(start))}
		if seen() < n {
			return errors.New("a look has not seen all goroutines")
		}
		return nil
	})
	err = g.Run(context.Background())
	return c, err
}

// look returns a function that counts the goroutines it has seen.
var look = map[string]func(buf []byte) (seen func() int){
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
		text := buf[:runtime.Stack(buf, true)] // as package step does, up to 10 000 goroutines
		return func() int { return bytes.Count(text, []byte("\n\n")) + 1 }
	},
}

func (r *report) looksTable() string {
	rows := [][]string{{"goroutines", byLabel, byState}}
	for _, s := range r.looks.sizes {
		row := []string{count(s.n)}
		for _, name := range r.looks.names {
			row = append(row, r.looks.cell(name, s.n, lookTime, nanoseconds))
		}
		rows = append(rows, row)
	}
	return table(rows)
}
