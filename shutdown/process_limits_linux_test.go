package shutdown_test

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// What a process has too little of, or too much. The diagnosis of a stuck step needs memory
// and processor time, and the log needs room: none of that may be at the expense of the
// exit.

// limitGrace is the grace period here: what a busy machine takes away from a process that has
// too little itself must not be all of the second that is promised to the last handler.
const limitGrace = 8 * time.Second

// limitCases are programs with a stuck handler and one that is called after it.
var limitCases = []struct {
	name string
	cut  func() // takes away what there is of something
}{
	{"there are no file descriptors left", useUpDescriptors},
	{"the memory limit is nearly reached", useUpMemory},
	{"there are 100000 goroutines", func() { spawn(100_000, func() { select {} }) }},
	{"one processor has four tight loops to run", func() {
		runtime.GOMAXPROCS(1)
		spawn(4, stuckInLoop)
	}},
}

func init() {
	for _, l := range limitCases {
		scenario("stuck where "+l.name, func() {
			c := telling(limitGrace)
			c.Register(says("last"))
			c.Register(func(context.Context) error { stuckOnMutex(); return nil }, shutdown.Name("handler"))
			endMain(c, func(ctx context.Context) error {
				l.cut()
				return untilStopped(ctx)
			})
		})
	}
	scenario("the disk is full", func() {
		c := telling(limitGrace)
		c.Register(says("last"))
		c.Register(fails(errTest), shutdown.Name("failing"))
		c.Register(func(context.Context) error { stuckOnMutex(); return nil }, shutdown.Name("handler"))
		endMain(c, untilStopped)
	})
}

// useUpDescriptors opens files until there can be no more. The limit that the process had
// is of no concern then: it may be a million.
func useUpDescriptors() {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		panic(err)
	}
	for {
		if _, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0); err == syscall.EMFILE {
			return
		} else if err != nil {
			panic(err)
		}
	}
}

// kept is what the garbage collector cannot take.
var kept [][]byte

// useUpMemory leaves the garbage collector with hardly anything to win, and much to do.
func useUpMemory() {
	const size, block = 64 << 20, 1 << 16
	for range size / block {
		kept = append(kept, make([]byte, block))
	}
	debug.SetMemoryLimit(size + 1<<20)
	go func() {
		for {
			garbage := make([]byte, block)
			runtime.KeepAlive(&garbage)
		}
	}()
}

// givenUp expects that the handler was given up, at this time after t0 by the child's clock and
// not before: to have too little must not cost it any of its time. A slow machine makes that
// later, never earlier; how much later is logged. That it was not too late for the last handler
// is seen by what that has said.
func (p *child) givenUp(at time.Duration) {
	p.t.Helper()
	s := p.step("handler")
	if s.Outcome != "abandoned" {
		p.t.Errorf("the handler was %s, want abandoned\n%s", s.Outcome, p)
	}
	late := time.Duration((s.Start+s.Took)*float64(time.Second)) - at
	p.t.Logf("the handler was given up %v after it had to be", late)
	if late < -time.Millisecond { // the JSON has rounded
		p.t.Errorf("the handler was given up %v too early\n%s", -late, p)
	}
}

func TestProcessAtItsLimits(t *testing.T) {
	t.Parallel()
	for _, l := range limitCases {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "stuck where "+l.name)
			p.expect("running")
			p.signal(syscall.SIGTERM)
			p.exits(1)
			p.within(limitGrace)
			p.said("last")
			p.givenUp(limitGrace - time.Second) // the last handler's promise
		})
	}
}

// Where the disk is full under the log, nothing of it is written. The report is complete.
func TestProcessDiskIsFull(t *testing.T) {
	t.Parallel()
	p := start(t, "the disk is full", func(p *child) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { full.Close() })
		p.cmd.Stderr = full
	})
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.exits(1)
	p.within(limitGrace)
	p.said("last")
	p.givenUp(limitGrace - 2*time.Second) // the promises of the two that follow
	for name, want := range map[string]string{"failing": "failed", "main": "ok"} {
		if got := p.step(name).Outcome; got != want {
			t.Errorf("%s was %s, want %s\n%s", name, got, want, p)
		}
	}
}
