package shutdown

import (
	"runtime"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/stacks"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// maxLeakSearch is the time that the search for leaks may take. A scan of all goroutines takes
// longer the more there are, see bench/RESULTS.md. leakGrace is the time for goroutines that are
// about to end, and the least time that the search has.
const (
	maxLeakSearch = 250 * time.Millisecond
	leakGrace     = 10 * time.Millisecond
)

// yields is how often the processor is yielded before the search, for goroutines that have not
// begun to run. Nearly always they are this package's own, and end in this time.
const yields = 10

// findLeaks waits for the stacks of steps that failed, and looks for goroutines that still have the
// label of a task or a handler. It looks once if the grace period is over. Otherwise it looks again
// after leakGrace if it has found some, and ends before the grace period does.
func (c *Coordinator) findLeaks() []Leak {
	if known.All() {
		return nil
	}
	t := c.lock()
	left := max(leakGrace, min(c.end-t.Now(), maxLeakSearch))
	t.Unlock()
	found := make(chan []Leak, 2) // of the first scan, and of the second
	tooLate := make(chan struct{})
	defer close(tooLate)
	go func() {
		defer close(found)
		unlabel()
		c.awaitStacks(tooLate)
		for range yields {
			runtime.Gosched()
		}
		leaks, notStarted := c.leaksNow()
		found <- leaks
		if left > leakGrace && (len(leaks) > 0 || notStarted) {
			select {
			case <-time.After(leakGrace):
			case <-tooLate:
				return
			}
			leaks, _ = c.leaksNow()
			found <- leaks
		}
	}()
	timeout := time.NewTimer(left)
	defer timeout.Stop()
	var leaks []Leak
	for {
		select {
		case l, more := <-found:
			if !more {
				return leaks
			}
			leaks = l
		case <-timeout.C:
			return leaks
		}
	}
}

// awaitStacks waits until the stacks of all failed steps were taken, or tooLate is closed.
func (c *Coordinator) awaitStacks(tooLate <-chan struct{}) {
	var all []<-chan struct{}
	t := c.lock()
	for _, n := range c.stuck {
		all = append(all, n.StacksTaken())
	}
	t.Unlock()
	for _, taken := range all {
		select {
		case <-taken:
		case <-tooLate:
			return
		}
	}
}

// leaksNow returns the leaks, and whether there are goroutines that have not begun to run, of which
// it cannot tell.
func (c *Coordinator) leaksNow() (leaks []Leak, notStarted bool) {
	stuck := c.stuckLabels()
	for _, st := range stacks.Labelled() {
		switch {
		case st.Run != c.tree.ID() || stuck[st.Label]:
		case st.NotStarted():
			notStarted = true
		case mayLeak(&st):
			leaks = append(leaks, Leak{Step: st.Name, Count: st.Count, Stack: st.Text()})
		}
	}
	return leaks, notStarted
}

// stuckLabels returns the labels of the abandoned steps, whose goroutines are in the report
// already.
func (c *Coordinator) stuckLabels() map[string]bool {
	t := c.lock()
	defer t.Unlock()
	labels := make(map[string]bool)
	for _, s := range c.stuck {
		labels[s.Label()] = s.Outcome == tree.Abandoned
	}
	return labels
}

// mayLeak returns false for the goroutines of main and holds, which have a letter in their labels,
// for the reusable connections of net/http, and for goroutines of this library: a timer's goroutine
// may have inherited a label.
func mayLeak(st *stacks.Stack) bool {
	return strings.Trim(st.Number, "0123456789.") == "" && !st.StartedByLibrary() && !st.IdleConnection()
}
