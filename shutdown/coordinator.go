package shutdown

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/signals"
)

// DefaultGrace is the grace period if neither a field nor the environment sets one. It fits into
// the 30 s that Kubernetes gives a pod by default, with a margin.
const DefaultGrace = group.DefaultGrace

// A Coordinator runs a program's main function, and everything that must still
// happen after it, within one grace period. The zero value is ready to use. It runs
// once, and must not be copied. The fields are set before anything is called; the
// methods may be called by any goroutine.
type Coordinator struct {
	// Grace is the time from the request to stop to the exit. Zero means the
	// environment's: TERMINATION_GRACE_PERIOD_SECONDS less PRESTOP_SLEEP_SECONDS
	// less 2 s (half of what there is where that leaves less), in seconds; else
	// DefaultGrace. An empty variable counts as unset. A value that is not a number, and a
	// TERMINATION_GRACE_PERIOD_SECONDS of 0, fail Run before main is called.
	Grace time.Duration
	// Delay is the time from the request to stop, when Ready turns false, to the end of the
	// root context: what load balancers need to notice. It is part of Grace. More than half
	// of Grace is reduced to half, with a warning.
	Delay time.Duration
	// Signals ask the program to stop. Nil means SIGINT and SIGTERM. Empty but not
	// nil means none: then no signal is touched, not even SIGPIPE and SIGHUP, which
	// are otherwise caught and dropped during the drain. In a bubble of testing/synctest,
	// where the first use of a signal is fatal, use []os.Signal{} or
	// shutdowntest.Start.
	Signals []os.Signal
	// Reraise has Main end the process by the signal that stopped it, if all went
	// well, as shells, systemd and Kubernetes Jobs expect of an interrupted command.
	// Otherwise a clean stop is exit status 0. A Go process dies of SIGHUP, SIGINT and
	// SIGTERM only; for any other signal n the exit status is 128 + n.
	Reraise bool
	// Logger gets the log. Nil means zerolog on standard error, at level info, in console
	// format on a terminal.
	Logger *zerolog.Logger
	// Slog gets the log instead of Logger, if it is set.
	Slog *slog.Logger
	// Observe is called with each Event, one after the other, on a goroutine of its own. The
	// drain waits for it only at the end, for at most 500 ms. Nil means none.
	Observe func(Event)

	once        sync.Once
	tree        *tree.Tree
	root        Scope // the program: first the body stops, then the stack
	stack       Scope // the handlers, and the tasks that were started
	body        Scope // main and the holds
	main        tree.Node
	mainContext tree.Context // the context of main
	site        site.Site    // of main, where it is not the call of Run
	out         journal

	// The operating system.
	listen  func([]os.Signal) (<-chan os.Signal, func())
	holdOff func([]os.Signal) (undo func())
	settle  func([]os.Signal) // nil: what was received is on its channel
	exit    func(code int)
	reraise func(os.Signal) // returns if the process goes on

	// Guarded by the tree's lock.
	phase      phase
	parent     context.Context
	byMain     bool // Run was called by Main, which ends the process
	withoutRun bool // it drains without a Run
	byExit     bool // because of an Exit, which ends the process
	forced     bool
	exiting    bool // Exit was called

	returning bool // main is, which begins its stop
	logStuck  bool // at the end, the log could not be written

	grace, delay time.Duration // in effect
	t0           time.Duration // when the stop, or the delay before it, began; 0: not yet
	end          time.Duration // when the process ends, whatever happens
	took         time.Duration

	cause     cause              // of the stop
	ended     *group.EndedError  // of the last group that main has run
	codes     map[*tree.Node]int // of the *ExitErrors that main and tasks have returned, but 0
	code      int                // of Exit
	panicking bool               // Exit was called by a goroutine that panics

	mainBudget time.Duration

	steps        []Step       // those recorded so far; one that is not over took a negative time
	stuck        []*tree.Node // those of them whose stacks may still come
	sites        site.Cache
	unfinished   int             // of steps
	failures     int             // of steps
	tasks        []*Registration // that Run is to start
	leaks        []Leak
	report       *Report
	escalation   escalation
	parentDone   <-chan struct{} // that of parent
	pendingCause *pendingCause   // the StopRequested whose cause may still become a signal
	pending      chan chan struct{}
	delayOver    *time.Timer
	progress     *time.Timer
	tick         time.Duration // when progress is to be looked at

	stopping      chan struct{}              // closed at t0
	announced     *announcement              // the last
	announcements map[*announcement]struct{} // those that are not over, of ones that were resumed too
	done          chan struct{}
	restore       []func() // what to give back at the end
	undoHoldOff   func()
}

func init() {
	notify.Use = func(coordinator any, d notify.Double) bool {
		c := coordinator.(*Coordinator)
		t := c.lock()
		defer t.Unlock()
		if !c.mayRun() {
			return false
		}
		c.listen, c.holdOff, c.exit, c.site = d.Listen, d.HoldOff, d.Exit, d.Site
		c.settle = nil
		c.reraise = func(os.Signal) {} // Exit, which comes next, is the end
		return true
	}
	notify.Running = func(coordinator any) (steps []string) {
		c := coordinator.(*Coordinator)
		t := c.lock()
		defer t.Unlock()
		for _, w := range c.waiting(t.Now()) {
			steps = append(steps, fmt.Sprintf("%v %q (%s)", w.Kind, w.Name, w.Site))
		}
		return steps
	}
}

// lock locks everything, and makes the zero value ready first.
func (c *Coordinator) lock() *tree.Tree {
	c.setup()
	c.tree.Lock()
	return c.tree
}

func (c *Coordinator) setup() {
	c.once.Do(func() {
		t := tree.New(tree.ValuesOf(context.Background()), host{c}, false)
		for _, s := range []*Scope{&c.root, &c.stack, &c.body} {
			s.init(c, site.Origin{})
			s.list.Owner = owner{c}
		}
		c.body.list.Concurrent = true
		t.Lock()
		t.Adopt(&c.root.node)
		_ = t.Add(&c.root.node, &c.stack.node, nil)
		_ = t.Add(&c.root.node, &c.body.node, nil)
		t.Unlock()
		c.tree, c.out.c = t, c
		c.out.setup()
		c.stopping, c.done = make(chan struct{}), make(chan struct{})
		c.main.Kind, c.main.RunContext = tree.Main, &c.mainContext
		if c.listen == nil {
			c.listen, c.holdOff, c.settle = notify.Signals, notify.HoldOff, notify.Settle
		}
		if c.exit == nil {
			c.exit = os.Exit
		}
		if c.reraise == nil {
			c.reraise = reraise
		}
	})
}

// Register adds a handler: a function that is called when the program ends, after the tasks and
// main have ended. The handler registered last is called first.
//
// Each handler is awaited before the next is called. Its context has the values of the root
// context, but is not cancelled: it has a deadline of its own, within the grace period. A handler
// that does not return is abandoned at the end of its budget and named in the report; the others
// are still called. A handler that fails or panics does not stop the others.
//
// A handler that is registered by a handler runs next. One that a handler of a scope registers on
// the Coordinator runs when that scope is done. After the drain's end Err of the result is
// ErrDrained, and it is logged. A nil handler panics.
func (c *Coordinator) Register(h func(context.Context) error, opts ...Option) *Registration {
	c.setup()
	return c.stack.register(h, site.Here().As(""), opts)
}

// Unregister takes back all handlers with this name, in scopes too, and returns how
// many those were. To have none is not an error.
func (c *Coordinator) Unregister(name string) (n int) {
	t := c.lock()
	defer t.Unlock()
	c.stack.node.Each(func(m *tree.Node) {
		if m.Name() == name && t.Remove(m) {
			n++
		}
	})
	return n
}

// Scope makes a scope: a group of handlers that take their turn together, and can be
// run earlier with its Close. Options apply to all of it: Timeout is for all its
// handlers together.
func (c *Coordinator) Scope(name string, opts ...Option) *Scope {
	c.setup()
	return c.stack.nest(site.Here().As(name), opts)
}

// Stop asks the program to stop, and returns. A cause of nil, of *signals.Error or of
// context.Canceled makes a clean stop; any other is a failure, as if main had returned it. If
// the stop has begun already, it does nothing. A Stop before Run is remembered.
func (c *Coordinator) Stop(err error) {
	if err == nil {
		err = ErrStopRequested
	}
	why := causeOf(err)
	t := c.lock()
	defer t.Unlock()
	switch {
	case c.phase != fresh:
		c.request(t.Now(), why, true)
	case c.cause.err == nil:
		c.cause = why // Run will stop at once
	}
}

// A cause is why the program stops. It is looked into when it is given, and not at the end,
// and without the lock: the methods of an error may block for ever.
type cause struct {
	err    error
	fault  *failure       // err, if it counts as a failure
	signal *signals.Error // in it
}

func causeOf(err error) cause {
	why := cause{err: err, signal: find[*signals.Error](err)} // one that is there need not be all there is
	exit := find[*ExitError](err)
	clean := exit != nil && exit.Err == nil && exit.Code == 0 ||
		tree.Excused(err, context.Canceled, ErrStopRequested, why.signal)
	if !clean {
		why.fault = newFailure(err)
	}
	return why
}
