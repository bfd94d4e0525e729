package shutdown

import (
	"runtime"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/known"
	"github.com/lastcall-go/lastcall/internal/stacks"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// How long the search for leaks may take, and how long a goroutine that was about to
// end is given. A look takes longer the more goroutines there are, see bench/RESULTS.md.
const (
	maxLeakSearch = 250 * time.Millisecond
	leakGrace     = 10 * time.Millisecond
)

// yields is how often others are let go first. There may be goroutines that have not begun to
// run, of which nothing is known yet; nearly always they are this package's own, and this, which
// costs next to nothing, is enough for them.
const yields = 10

// findLeaks looks for goroutines that still carry the label of a task or a handler. It
// never goes beyond the grace period.
func (c *Coordinator) findLeaks() []Leak {
	if known.All() {
		return nil
	}
	t := c.lock()
	left := min(c.end-t.Now(), maxLeakSearch)
	t.Unlock()
	if left <= 0 {
		return nil
	}
	found := make(chan []Leak, 1)
	tooLate := make(chan struct{})
	defer close(tooLate)
	go func() {
		unlabel()
		for range yields {
			runtime.Gosched()
		}
		leaks, unborn := c.leaksNow()
		if len(leaks) > 0 || unborn {
			select {
			case <-time.After(leakGrace):
			case <-tooLate:
				return
			}
			leaks, _ = c.leaksNow()
		}
		found <- leaks
	}()
	timeout := time.NewTimer(left)
	defer timeout.Stop()
	select {
	case leaks := <-found:
		return leaks
	case <-timeout.C:
		return nil
	}
}

// leaksNow also tells whether there are goroutines that have not begun to run, of which
// nothing else is known yet: the last thing that a step did was to start them.
func (c *Coordinator) leaksNow() (leaks []Leak, unborn bool) {
	stuck := c.stuckLabels()
	for _, st := range stacks.Labelled() {
		switch {
		case st.Run != c.tree.ID() || stuck[st.Label]:
		case st.NotStarted():
			unborn = true
		case mayLeak(&st):
			leaks = append(leaks, Leak{Step: st.Name, Count: st.Count, Stack: st.Text()})
		}
	}
	return leaks, unborn
}

// stuckLabels are of steps that were abandoned: they are in the report already.
func (c *Coordinator) stuckLabels() map[string]bool {
	t := c.lock()
	defer t.Unlock()
	labels := make(map[string]bool)
	for _, s := range c.stuck {
		labels[s.Label()] = s.Outcome == tree.Abandoned
	}
	return labels
}

// mayLeak leaves out main and holds, which have a letter in their labels, the connections
// of net/http that may be used again, and goroutines of these packages: a timer's may have
// inherited a label from whichever goroutine gave way to it.
func mayLeak(st *stacks.Stack) bool {
	return strings.Trim(st.Number, "0123456789.") == "" && !st.StartedByLibrary() && !st.IdleConnection()
}
