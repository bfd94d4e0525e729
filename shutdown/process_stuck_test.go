//go:build unix

package shutdown_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// These functions get stuck in different ways. Each is named in the stack that the report has to
// have.

//go:noinline
func stuckOnMutex() {
	var mu sync.Mutex
	mu.Lock()
	mu.Lock()
}

//go:noinline
func stuckOnRWMutex() {
	var mu sync.RWMutex
	mu.RLock()
	mu.Lock()
}

//go:noinline
func stuckOnWaitGroup() {
	var wg sync.WaitGroup
	wg.Add(1)
	wg.Wait()
}

//go:noinline
func stuckOnChannel() { <-make(chan int) }

//go:noinline
func stuckOnSend() { make(chan int) <- 1 }

//go:noinline
func stuckOnNilChannel() { <-(chan int)(nil) }

//go:noinline
func stuckInSelect() { select {} }

//go:noinline
func stuckInSleep() { time.Sleep(time.Hour) }

//go:noinline
func stuckInLoop() {
	for n := 0; n >= 0; n &= 0xff {
		n++
	}
}

// stuckInRead waits in the runtime's poller.
//
//go:noinline
func stuckInRead() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	_, _ = r.Read(make([]byte, 1))
	runtime.KeepAlive(w)
}

// stuckInSystemCall holds a thread in the kernel.
//
//go:noinline
func stuckInSystemCall() {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		panic(err)
	}
	_, _ = syscall.Read(fds[0], make([]byte, 1))
}

// stuckInOpen opens a FIFO that nobody writes to.
//
//go:noinline
func stuckInOpen() {
	dir, err := os.MkdirTemp("", "lastcall") // which is removed after the test
	if err != nil {
		panic(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		panic(err)
	}
	_, _ = os.Open(fifo)
}

// A stuckCase is one of these functions, and the runtime's name for its wait state.
type stuckCase struct {
	name  string
	stick func()
	stack string
	state string
}

var stuckCases = []stuckCase{
	{"a mutex", stuckOnMutex, "stuckOnMutex", "sync.Mutex.Lock"},
	{"a read-write mutex", stuckOnRWMutex, "stuckOnRWMutex", "sync.RWMutex.Lock"},
	{"a wait group", stuckOnWaitGroup, "stuckOnWaitGroup", "sync.WaitGroup.Wait"},
	{"a channel", stuckOnChannel, "stuckOnChannel", "chan receive"},
	{"a send", stuckOnSend, "stuckOnSend", "chan send"},
	{"a nil channel", stuckOnNilChannel, "stuckOnNilChannel", "chan receive (nil chan)"},
	{"an empty select", stuckInSelect, "stuckInSelect", "select (no cases)"},
	{"a sleep", stuckInSleep, "stuckInSleep", "sleep"},
	{"a tight loop", stuckInLoop, "stuckInLoop", "run"}, // runnable, running
	{"a read", stuckInRead, "stuckInRead", "IO wait"},
	{"a system call", stuckInSystemCall, "stuckInSystemCall", "syscall"},
	{"the open of a FIFO", stuckInOpen, "stuckInOpen", "syscall"},
}

// stuckGrace is short because many of these tests take half of it.
const stuckGrace = 2 * time.Second

// stuckIn makes a program with one stuck step.
var stuckIn = map[string]func(stick func()){
	"handler": func(stick func()) {
		c := stuckCoordinator()
		c.Register(func(context.Context) error { stick(); return nil }, shutdown.Name("handler"))
		endMain(c, untilStopped)
	},
	"main": func(stick func()) {
		c := stuckCoordinator()
		endMain(c, func(context.Context) error { say("running"); stick(); return nil })
	},
	"task": func(stick func()) {
		c := stuckCoordinator()
		endMain(c, func(ctx context.Context) error {
			var g group.Group
			g.Go("task", func(context.Context) error { say("running"); stick(); return nil })
			return g.Run(ctx)
		})
	},
	"started": func(stick func()) {
		c := stuckCoordinator()
		c.Start(func(context.Context) error { stick(); return nil }, shutdown.Name("started"))
		endMain(c, untilStopped)
	},
	"hold": func(stick func()) {
		c := stuckCoordinator()
		endMain(c, func(ctx context.Context) error {
			c.Go(ctx, "hold", func(context.Context) error { stick(); return nil })
			return untilStopped(ctx)
		})
	},
}

// stuckCoordinator makes a Coordinator with a handler that is called when the stuck step was
// abandoned. It waits for the stacks, which may take a while on a busy machine. In the strict mode
// there is no such handler, so that the process ends at the end of the grace period.
func stuckCoordinator() *shutdown.Coordinator {
	c := telling(stuckGrace)
	if childIsStrict() {
		c.Grace = strictGrace
		return c
	}
	c.Register(awaitsStacks(c, stuckGrace/4), shutdown.Reserve(stuckGrace/2))
	return c
}

// awaitsStacks returns a handler that waits for the stacks of the abandoned steps, at most so long.
func awaitsStacks(c *shutdown.Coordinator, most time.Duration) func(context.Context) error {
	return func(context.Context) error {
		for end := time.Now().Add(most); !hasStacks(c.Report()) && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		say("last")
		return nil
	}
}

// hasStacks reports whether the report has the stacks of all abandoned steps.
func hasStacks(r *shutdown.Report) bool {
	for _, s := range r.Steps {
		if s.Outcome == shutdown.OutcomeAbandoned && s.Stack == "" {
			return false
		}
	}
	return true
}

func init() {
	for step, play := range stuckIn {
		for _, s := range stuckCases {
			scenario(step+" stuck in "+s.name, func() { play(s.stick) })
		}
	}
}

func TestProcessStuck(t *testing.T) {
	t.Parallel()
	for _, s := range stuckCases {
		t.Run("in "+s.name, func(t *testing.T) {
			t.Parallel()
			children := make(map[string]*child)
			for step := range stuckIn {
				children[step] = start(t, step+" stuck in "+s.name)
				if s.spins() { // they take turns
					children[step].expect("running")
					children[step].signal(syscall.SIGTERM)
					children[step].wait()
				}
			}
			for _, p := range children {
				p.expect("running")
				p.signal(syscall.SIGTERM)
			}
			for step, p := range children {
				p.wasStuck(step, s)
			}
		})
	}
}

// spins reports whether the step occupies a processor.
func (s stuckCase) spins() bool { return s.stack == "stuckInLoop" }

// wasStuck checks the end of a child in which this step was stuck.
func (p *child) wasStuck(step string, s stuckCase) {
	p.t.Helper()
	p.exits(1)
	p.within(stuckGrace)
	p.said("last")
	p.isStuck(step, s)
}

// isStuck checks the report and the log of a stuck step.
func (p *child) isStuck(name string, s stuckCase) {
	p.t.Helper()
	got := p.step(name)
	if got.Outcome != "abandoned" {
		p.t.Errorf("outcome of %s = %s, want abandoned\n%s", name, got.Outcome, p)
	}
	if !strings.HasPrefix(got.Site, "shutdown/process_") {
		p.t.Errorf("site of %s = %q, want one of these files", name, got.Site)
	}
	if !strings.Contains(got.Stack, s.stack) {
		p.t.Errorf("the stack of %s has no %s\n%s", name, s.stack, p)
	}
	if !strings.Contains(got.Stack, "["+s.state) {
		p.t.Errorf("the stack of %s has no state %q\n%s", name, s.state, p)
	}
	p.logs(`"step":"`+name+`"`, `"outcome":"abandoned"`, got.Site)
	p.namesEarly(name, s)
}

// columns is the width of a typical terminal window.
const columns = 200

// namesEarly checks that each line of the log about the stuck step has the step's name, and what it
// waits for, within the first columns.
func (p *child) namesEarly(name string, s stuckCase) {
	p.t.Helper()
	said := make(map[string]bool)
	for _, text := range p.err.lines() {
		var l struct{ Step, Slowest, Message, Stack string }
		if json.Unmarshal([]byte(text), &l) != nil || l.Step != name && l.Slowest == "" {
			continue
		}
		said[l.Message] = true
		seen := text[:min(len(text), columns)]
		if !strings.Contains(seen, `"`+name+`"`) {
			p.t.Errorf("%s is not named in %s", name, seen)
		}
		if l.Stack != "" && !strings.Contains(seen, s.stack) {
			p.t.Errorf("%s does not say that it waits for %s, in %s", name, s.stack, seen)
		}
	}
	if !said["step failed"] || !said["stopped with failures"] {
		p.t.Errorf("the log has lines for %v only\n%s", said, p)
	}
}

// crowds are further circumstances in which a handler is stuck.
var crowds = []struct {
	name string
	play func(stick func()) // stick blocks for ever
	env  []string
	s    stuckCase
	// With very many goroutines, or if taking the stacks could stop the process for ever, the
	// report may lack the stack or the state.
	noStack, noState bool
	cpus             int
}{
	{
		name: "among 2000 other goroutines", s: stuckCases[0],
		play: func(stick func()) { spawn(2000, func() { select {} }); stuckIn["handler"](stick) },
	},
	{
		name: "among 20000 other goroutines", s: stuckCases[0], noStack: true, noState: true,
		play: func(stick func()) { spawn(20000, func() { select {} }); stuckIn["handler"](stick) },
	},
	{
		name: "on one processor", s: stuckCases[0],
		play: stuckIn["handler"], env: []string{"GOMAXPROCS=1"},
	},
	{
		name: "in a tight loop on one processor", s: stuckCase{stick: stuckInLoop, stack: "stuckInLoop", state: "run"},
		play: stuckIn["handler"], env: []string{"GOMAXPROCS=1"},
	},
	{
		name: "main in a tight loop on one processor", s: stuckCase{name: "main", stick: stuckInLoop, stack: "stuckInLoop", state: "run"},
		play: stuckIn["main"], env: []string{"GOMAXPROCS=1"},
	},
	{
		name: "in a tight loop that cannot be interrupted", noStack: true, noState: true, cpus: 2,
		s:    stuckCase{stick: stuckInLoop},
		play: stuckIn["handler"], env: []string{"GODEBUG=asyncpreemptoff=1"},
	},
	{
		name: "main in a tight loop that cannot be interrupted", noStack: true, noState: true, cpus: 2,
		s:    stuckCase{name: "main", stick: stuckInLoop},
		play: stuckIn["main"], env: []string{"GODEBUG=asyncpreemptoff=1"},
	},
}

func spawn(n int, f func()) {
	for range n {
		go f()
	}
}

func init() {
	for _, c := range crowds {
		scenario("stuck "+c.name, func() { c.play(c.s.stick) })
	}
}

func TestProcessStuckInACrowd(t *testing.T) {
	t.Parallel()
	for _, c := range crowds {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if runtime.NumCPU() < c.cpus {
				t.Skipf("needs %d processors", c.cpus)
			}
			name := "handler"
			if c.s.name == "main" {
				name = "main"
			}
			want := c.s
			if c.noStack {
				want.stack = ""
			}
			// If a busy machine takes the stacks late, those of a progress line are in the report. They
			// have no states if there are many goroutines.
			attempt(t, func() error {
				p := start(t, "stuck "+c.name, with(c.env...))
				p.expect("running")
				p.signal(syscall.SIGTERM)
				p.exits(1)
				p.within(stuckGrace)
				p.said("last")
				got := p.step(name)
				if got.Outcome != "abandoned" || !strings.Contains(got.Stack, want.stack) {
					t.Errorf("outcome = %s, want abandoned with %q in the stack\n%s", got.Outcome, want.stack, p)
				}
				p.logs(`"step":"`+name+`"`, `"outcome":"abandoned"`, got.Site)
				if !c.noState && !strings.Contains(got.Stack, "["+want.state) {
					return fmt.Errorf("the stack has no state %q\n%s", want.state, p)
				}
				return nil
			})
		})
	}
}

//go:noinline
func stuckChild() { select {} }

//go:noinline
func stuckGrandchild() { var mu sync.Mutex; mu.Lock(); mu.Lock() }

func init() {
	scenario("a handler with stuck children", func() {
		c := stuckCoordinator()
		c.Register(func(context.Context) error {
			// The first handler ends; only its child is left.
			go func() { go stuckGrandchild() }()
			go stuckChild()
			stuckOnChannel()
			return nil
		}, shutdown.Name("handler"))
		endMain(c, untilStopped)
	})
	scenario("a handler with hundreds of stuck children", func() {
		c := stuckCoordinator()
		c.Register(func(context.Context) error {
			spawn(500, stuckChild)
			stuckOnChannel()
			return nil
		}, shutdown.Name("handler"))
		endMain(c, untilStopped)
	})
	scenario("hundreds of stuck handlers", func() {
		c := stuckCoordinator()
		s := c.Scope("many", shutdown.Concurrent())
		for i := range 300 {
			s.Register(func(context.Context) error { stuckOnChannel(); return nil }, shutdown.Name("stuck "+strconv.Itoa(i)))
		}
		endMain(c, untilStopped)
	})
	scenario("forty stuck handlers, one after the other", func() {
		c := telling(stuckGrace)
		c.Register(says("last"), shutdown.Reserve(stuckGrace/4)) // a slow machine takes some of it
		for range 40 {
			c.Register(func(context.Context) error { stuckOnChannel(); return nil })
		}
		endMain(c, untilStopped)
	})
	scenario("stuck among many goroutines", func() {
		c := &shutdown.Coordinator{Grace: strictGrace}
		c.Register(func(context.Context) error { stuckOnChannel(); return nil }, shutdown.Name("handler"))
		for range 60_000 {
			go func() { select {} }()
		}
		endMain(c, untilStopped)
	})
	scenario("everything is stuck", func() {
		c := stuckCoordinator()
		c.Register(func(context.Context) error { stuckOnMutex(); return nil }, shutdown.Name("handler"))
		c.Start(func(context.Context) error { stuckInSleep(); return nil }, shutdown.Name("started"))
		endMain(c, func(ctx context.Context) error {
			c.Go(ctx, "hold", func(context.Context) error { stuckInSystemCall(); return nil })
			var g group.Group
			for i := range 3 {
				g.Go(fmt.Sprintf("task %d", i), func(context.Context) error { stuckOnChannel(); return nil })
			}
			say("running")
			_ = g.Run(ctx)
			stuckInSelect()
			return nil
		})
	})
}

func TestProcessStuckChildrenAreNamed(t *testing.T) {
	t.Parallel()
	p := stopped(t, "a handler with stuck children")
	for _, want := range []string{"stuckChild", "stuckGrandchild", "stuckOnChannel"} {
		if got := p.step("handler").Stack; !strings.Contains(got, want) {
			t.Errorf("the stacks have no %s:\n%s", want, got)
		}
	}
	p = stopped(t, "a handler with hundreds of stuck children")
	for _, want := range []string{"500 goroutines", "stuckChild", "stuckOnChannel"} {
		if got := p.step("handler").Stack; !strings.Contains(got, want) {
			t.Errorf("the stacks have no %s:\n%s", want, got)
		}
	}
}

// stopped checks that a child was stopped by SIGTERM and ended in time with status 1.
func stopped(t *testing.T, scenario string, changes ...change) *child {
	t.Helper()
	p := start(t, scenario, changes...)
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.exits(1)
	p.within(stuckGrace)
	return p
}

func TestProcessManyAreStuck(t *testing.T) {
	t.Parallel()
	p := stopped(t, "hundreds of stuck handlers")
	p.said("last")
	if got := p.count("abandoned"); got != 300 {
		t.Errorf("%d handlers were abandoned, want 300\n%s", got, p)
	}
	p = stopped(t, "forty stuck handlers, one after the other")
	if got := p.count("abandoned"); got != 40 {
		t.Errorf("%d handlers were abandoned, want 40\n%s", got, p)
	}
	p.said("last")
}

// count returns the number of steps in the report with this outcome.
func (p *child) count(outcome string) (n int) {
	for _, s := range p.report().Steps {
		if s.Outcome == outcome {
			n++
		}
	}
	return n
}

// To scan many goroutines takes longer than there is time. The log has its last lines all the same.
// It has 25 ms for them, in which a slow machine may write none, so there are several attempts.
func TestProcessStuckAmongManyGoroutines(t *testing.T) {
	for range 5 {
		p := start(t, "stuck among many goroutines")
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.exits(1)
		log := p.err.String()
		if strings.Contains(log, `"step":"handler","outcome":"abandoned"`) && strings.Contains(log, `"message":"stopped with failures"`) {
			return
		}
	}
	t.Error("the line of the failure or the last line is missing in each of 5 logs")
}

func TestProcessEverythingIsStuck(t *testing.T) {
	t.Parallel()
	p := stopped(t, "everything is stuck")
	p.said("last")
	for _, name := range []string{"handler", "started", "main", "hold", "task 0", "task 1", "task 2"} {
		if got := p.step(name).Outcome; got != "abandoned" {
			t.Errorf("%s is %s, want abandoned\n%s", name, got, p)
		}
	}
}

// The strict mode needs these from the children of this file.
const (
	strictVariable = "LASTCALL_STRICT"
	strictGrace    = 500 * time.Millisecond
)

// childIsStrict reports whether this process is a child in the strict mode.
func childIsStrict() bool { return os.Getenv(strictVariable) == "child" }
