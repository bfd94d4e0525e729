//go:build unix

package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	runs = flag.Int("runs", 112, "how often TestRandomEnds ends the program")
	seed = flag.Uint64("seed", rand.Uint64(), "of TestRandomEnds")
)

// moment is long enough that the second signal can come at any time during the stop.
const moment = 3 * time.Millisecond

// An ending is a way in which the program ends by itself, or the signals that end it.
type ending struct {
	name    string
	way     string // "" to wait for the signals
	signals []os.Signal
	orderly bool  // handlers run: the count is exact
	status  []int // the possible values
}

func byWay(name string) ending {
	w := ways[slices.Index(wayNames(), name)]
	return ending{name: name, way: name, orderly: w.runs, status: []int{w.status}}
}

// A signal that comes before main is called ends the process with status 130 or 143, before it has
// counted.
var endings = []ending{
	byWay("return"),
	byWay("error"),
	byWay("exit-error"),
	byWay("panic"),
	byWay("goexit"),
	byWay("exit"),
	byWay("task"),
	{name: "SIGINT", signals: []os.Signal{os.Interrupt}, orderly: true, status: []int{0, 130}},
	{name: "SIGTERM", signals: []os.Signal{syscall.SIGTERM}, orderly: true, status: []int{0, 143}},
	{name: "SIGINT, SIGTERM", signals: []os.Signal{os.Interrupt, syscall.SIGTERM}, orderly: true, status: []int{0, 130, 143}},
	{name: "SIGKILL", signals: []os.Signal{os.Kill}, status: []int{137}},
	{name: "SIGTERM, SIGKILL", signals: []os.Signal{syscall.SIGTERM, os.Kill}, status: []int{0, 137, 143}},
	byWay("goroutine"),
	byWay("fatal"),
}

// TestRandomEnds ends the program at random moments, many times on the same file. After each run the
// file must have the right count. If the run could not save, the file must have the last count that
// was saved, or the one that was being saved. The result does not depend on the moment.
//
// After a SIGKILL the system still writes the data to the disk. So this does not test a machine that
// loses power. The syncs in replace are for that case.
func TestRandomEnds(t *testing.T) {
	const files = 4 // at once
	sum := &tally{ends: map[string]int{}}
	t.Run("files", func(t *testing.T) {
		for i := range files {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				c := chain{t: t, rand: rand.New(rand.NewPCG(*seed, uint64(i))), path: newFile(t, ""), sum: sum}
				order := c.rand.Perm(len(endings))
				for j := i; j < *runs && !t.Failed(); j += files {
					c.next(endings[order[j/files%len(order)]])
				}
				if !t.Failed() {
					c.next(byWay("return"))
					alone(t, c.path) // the next save has used the file of an interrupted one
				}
			})
		}
	})
	t.Logf("seed %d: %s", *seed, sum)
}

// A chain is a series of runs on one file.
type chain struct {
	t    *testing.T
	rand *rand.Rand
	path string
	old  int64 // what the file had before the run
	sum  *tally
}

// next runs the program once.
func (c *chain) next(e ending) {
	counts, checkpoint := c.rand.IntN(60), []int{0, 1, 7}[c.rand.IntN(3)]
	args := []string{"-file", c.path, "-every", "0", "-after", strconv.Itoa(counts), "-checkpoint", strconv.Itoa(checkpoint)}
	if e.way != "" {
		args = append(args, "-end", e.way)
	}
	p := start(c.t, args...)
	p.until(c.t, counts)
	for i, sig := range e.signals {
		if i > 0 {
			time.Sleep(time.Duration(c.rand.Int64N(int64(moment))))
		}
		p.signal(sig)
	}
	code := p.wait(c.t)
	got, err := read(c.path)
	switch {
	case err != nil:
		c.fail(e, p, "the file is unreadable: %v", err)
	case !slices.Contains(e.status, code):
		c.fail(e, p, "exit status %d, want %v", code, e.status)
	case !c.allows(e, p, got, int64(checkpoint)):
		c.fail(e, p, "the file has %d", got)
	}
	c.sum.add(c, e, got > max(p.saved, c.old))
	c.old = got
}

// allows reports whether the file may have this count after the run.
func (c *chain) allows(e ending, p *process, got, checkpoint int64) bool {
	last, saved := p.told, p.saved
	if saved < 0 { // it ended before it printed anything, and has not counted
		last, saved = c.old, c.old
	}
	if e.orderly {
		return got == last
	}
	being := checkpoint > 0 && got == saved+checkpoint && got <= last
	atEnd := len(e.signals) > 1 && got == last
	return got == saved || being || atEnd
}

func (c *chain) fail(e ending, p *process, format string, args ...any) {
	c.t.Errorf("seed %d, %s, %v: %s; before the run it had %d, the last count was %d, the last one saved %d\n%s",
		*seed, e.name, p.cmd.Args[1:], fmt.Sprintf(format, args...), c.old, p.told, p.saved, &p.errs)
}

// A tally counts the ends, and how many of them came in the middle of a save.
type tally struct {
	mu            sync.Mutex
	ends          map[string]int
	before, after int // the rename
}

func (s *tally) add(c *chain, e ending, renamed bool) {
	_, err := os.Stat(c.path + ".new")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends[e.name]++
	switch {
	case err == nil:
		s.before++
	case renamed:
		s.after++
	}
}

func (s *tally) String() string {
	return fmt.Sprintf("%v; in the middle of a save %d, of which %d after the rename", s.ends, s.before+s.after, s.after)
}
