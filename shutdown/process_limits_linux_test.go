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

// These tests give a process too little or too much of something. The diagnosis of a stuck step
// needs memory and processor time, and the log needs space. None of that may delay the exit.

// limitGrace is the grace period of these programs. Half of it is reserved for the last handler. On a busy
// machine such a process may lose much time, but not all of that.
const limitGrace = 8 * time.Second

// limitCases are programs with a stuck handler and one that is called after it.
var limitCases = []struct {
	name    string
	exhaust func() // uses up a resource
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
			c.Register(says("last"), shutdown.Reserve(limitGrace/2))
			c.Register(func(context.Context) error { stuckOnMutex(); return nil }, shutdown.Name("handler"))
			endMain(c, func(ctx context.Context) error {
				l.exhaust()
				return untilStopped(ctx)
			})
		})
	}
	scenario("the disk is full", func() {
		c := telling(limitGrace)
		c.Register(says("last"), shutdown.Reserve(limitGrace/2))
		c.Register(fails(errTest), shutdown.Name("failing"))
		c.Register(func(context.Context) error { stuckOnMutex(); return nil }, shutdown.Name("handler"))
		endMain(c, untilStopped)
	})
}

// useUpDescriptors opens files until no more can be opened. It sets a low limit first: the process
// may have had one of a million.
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

// kept is memory that the garbage collector cannot free.
var kept [][]byte

// useUpMemory leaves the garbage collector hardly any memory to free, and much to do.
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

// abandonedAfter checks that the handler was abandoned not before the given time after t0, by the child's
// clock. A slow machine makes that later, never earlier; how much later is logged. That the last
// handler still ran is shown by its output.
func (p *child) abandonedAfter(at time.Duration) {
	p.t.Helper()
	s := p.step("handler")
	if s.Outcome != "abandoned" {
		p.t.Errorf("the handler was %s, want abandoned\n%s", s.Outcome, p)
	}
	late := time.Duration((s.Start+s.Took)*float64(time.Second)) - at
	p.t.Logf("the handler was abandoned %v after it had to be", late)
	if late < -time.Millisecond { // the JSON has rounded
		p.t.Errorf("the handler was abandoned %v too early\n%s", -late, p)
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
			p.abandonedAfter(limitGrace / 2)
		})
	}
}

// If the disk with the log is full, the log is lost. The report is complete.
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
	p.abandonedAfter(limitGrace/2 - time.Second) // the minimum of the other handler
	for name, want := range map[string]string{"failing": "failed", "main": "ok"} {
		if got := p.step(name).Outcome; got != want {
			t.Errorf("%s was %s, want %s\n%s", name, got, want, p)
		}
	}
}
