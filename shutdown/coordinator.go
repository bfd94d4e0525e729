package shutdown

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/signals"
)

// DefaultGrace is the grace period if neither a field nor the environment sets one. With a margin,
// it fits into the 30 s that Kubernetes gives a pod by default.
const DefaultGrace = group.DefaultGrace

// A Coordinator runs a program's main function, and stops the program within one grace period. The
// zero value is ready to use. A Coordinator runs once and must not be copied. Set its fields before
// you call its methods. The methods may be called by any goroutine.
type Coordinator struct {
	// Grace is the grace period: the time from t0 to the exit. Zero means the grace period of the
	// environment: TERMINATION_GRACE_PERIOD_SECONDS less PRESTOP_SLEEP_SECONDS, less a margin. The
	// margin is 2 s, or half of the difference if that is shorter. No platform sets these
	// variables: set them in the pod's manifest or the unit. Without TERMINATION_GRACE_PERIOD_SECONDS
	// Grace is DefaultGrace. An empty variable counts as unset. If a variable is not a number of
	// seconds, or if nothing is left of the grace period, main is not called: the program stops
	// at once, as if main had returned the error, and the exit code is 1.
	Grace time.Duration
	// Delay is the time from t0 to the end of the root context. During it Ready is false, but the
	// program still serves, until load balancers have noticed. It is part of Grace. A Delay of
	// more than half of Grace is reduced to half, and the log has a warning. Zero means no delay.
	Delay time.Duration
	// Signals are the termination signals, which ask the program to stop. Nil means SIGINT and
	// SIGTERM. Empty but not nil means none: then SIGPIPE and SIGHUP are not caught from t0 on
	// either. In a bubble of testing/synctest, where the first use of a signal is fatal, use
	// []os.Signal{} or shutdowntest.Start.
	Signals []os.Signal
	// Reraise makes Main end the process by the signal that stopped it, if the stop was clean.
	// Shells, systemd and Kubernetes Jobs expect that of an interrupted command. Without Reraise
	// the exit status of a clean stop is 0. A Go process can end itself this way only by SIGHUP,
	// SIGINT and SIGTERM; for any other signal n the exit status is 128 + n.
	Reraise bool
	// Warmup is the time in which main has to start: to call group.Started, or to run a group whose
	// tasks have all started. Until then Ready is false. If main has not started in time, its context
	// ends, and the program stops with a *group.StartError, which names main and, if main runs a group
	// whose tasks have not started, the task that hangs. math.MaxInt64 means no limit.
	//
	// Zero means that main need not start: Ready is true from the start of Run, except during the
	// warm-ups of tasks, see group.Warmup. Set Warmup if tasks have one: otherwise the program is
	// Ready before the first of them begins.
	Warmup time.Duration
	// Logger gets the log. Nil means zerolog on standard error, at level info, in console
	// format on a terminal.
	Logger *zerolog.Logger
	// Slog, if it is not nil, gets the log instead of Logger.
	Slog *slog.Logger
	// Observe is called with each Event, one after the other, on a goroutine of its own. It may
	// call methods of the Coordinator, but should not wait for the end of the drain: the drain
	// waits for Observe at its end, for at most 500 ms, and not longer than 25 ms after the grace
	// period. If Observe is slow, up to 8192 events wait for it. The others are dropped, and the
	// log says how many. Nil means no observer.
	Observe func(Event)

	once        sync.Once
	inUse       atomic.Bool // setup was called
	tree        *tree.Tree
	root        Scope // the program: the body stops first, then the stack
	stack       Scope // the handlers, and the tasks of Start
	body        Scope // main and the holds
	main        tree.Node
	mainContext tree.Context // the context of main
	site        site.Site    // of main, where it is not the call of Run
	out         journal

	// The operating system.
	listen  func([]os.Signal) (<-chan os.Signal, func())
	holdOff func([]os.Signal) (undo func())
	settle  func([]os.Signal) // nil: each received signal is on its channel already
	exit    func(code int)
	reraise func(os.Signal) // returns if the signal does not end the process

	// Guarded by the tree's lock.
	phase      phase
	parent     context.Context
	byMain     bool // Run was called by Main, which ends the process
	withoutRun bool // it drains without a Run
	byExit     bool // because of an Exit, which ends the process
	forced     bool
	exiting    bool // Exit was called

	starts    int  // the number of main and tasks in its groups that have a warm-up and have not started
	wasReady  bool // Ready was true
	wasWarned bool // of a warm-up that began when Ready was true

	returning bool // main has returned, and its return begins the stop
	logStuck  bool // the log could not be written at the end

	grace, delay time.Duration // in effect
	t0           time.Duration // when the stop was requested or announced; 0: not yet
	end          time.Duration // when the process ends, whatever happens
	took         time.Duration

	servers []server // those that are in the plan

	cause     cause              // of the stop
	ended     *group.EndedError  // of the last group that main has run
	codes     map[*tree.Node]int // of the *ExitErrors that main and tasks have returned, but 0
	code      int                // of Exit
	panicking bool               // Exit was called by a goroutine that panics

	mainBudget time.Duration

	steps        []Step       // the steps recorded so far; Took is negative for one that is not over
	stuck        []*tree.Node // recorded steps whose stacks may still come
	sites        site.Cache
	unfinished   int             // the number of steps that are not over
	failures     int             // the number of steps that have failed
	early        []Step          // failures before the request to stop, see keepEarly; their Start is a reading
	moreEarly    int             // the number of those for which early has no room
	tasks        []*Registration // the tasks that Run has to start
	leaks        []Leak
	report       *Report
	escalation   escalation
	parentDone   <-chan struct{} // that of parent
	pendingCause *pendingCause   // the StopRequested whose cause may still become a signal
	pending      chan chan struct{}
	delayOver    *time.Timer
	progress     *time.Timer
	tick         time.Duration // when progress is to be looked at

	tooLateForStacks chan struct{} // closed when events wait for stacks no longer
	endStacks        func()        // closes it

	stopping      chan struct{}              // closed at t0
	hooks         int                        // the preStop hooks of the kubelet that wait for an answer
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
	notify.Hook = func(coordinator any) (answered func()) {
		c := coordinator.(*Coordinator)
		count := func(n int) {
			t := c.lock()
			defer t.Unlock()
			c.hooks += n
		}
		count(1)
		return func() { count(-1) }
	}
	notify.Health = func(coordinator any, err error) {
		c := coordinator.(*Coordinator)
		c.setup()
		c.note(health{err})
	}
	notify.Warming = func(coordinator any) bool {
		c := coordinator.(*Coordinator)
		t := c.lock()
		defer t.Unlock()
		return c.phase == active && c.t0 == 0 && !c.ready()
	}
	notify.Serves = func(coordinator, step any, requests func(time.Duration) time.Duration) {
		coordinator.(*Coordinator).serves(server{step.(*tree.Node), requests})
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

// lock locks the tree. It makes the zero value ready first.
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
		c.stopping, c.done, c.tooLateForStacks = make(chan struct{}), make(chan struct{}), make(chan struct{})
		c.endStacks = sync.OnceFunc(func() { close(c.tooLateForStacks) })
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
		c.inUse.Store(true)
	})
}

// Register adds a handler: a function that is called during the drain, after main and its tasks
// have ended. The handler registered last is called first.
//
// Each handler is awaited before the next is called. Its context has the values of the root
// context. It does not end with the root context, but at a deadline of its own, within the grace
// period. A handler that has not returned at the end of its budget is abandoned and named in the
// report. A handler that is abandoned, fails or panics does not keep the others from being called.
//
// A handler that is registered by a handler runs next. If a handler of a scope registers one on the
// Coordinator, that one runs after the scope. After the drain it is too late to register a handler:
// Err of the Registration is ErrDrained, and the log has an error. Register panics if h is nil.
func (c *Coordinator) Register(h func(context.Context) error, opts ...Option) *Registration {
	c.setup()
	return c.stack.register(h, site.Here().As(""), opts)
}

// Unregister removes all handlers with this name that have not begun to run, in scopes too, and
// returns how many it has removed. It also removes tasks of Start that wait for Run. A task that
// runs stays: Registration.Close stops it.
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

// Scope makes a scope: a list of handlers that have their turn together, and that Close can run
// earlier. Options apply to the whole scope: Timeout is for all its handlers together. After the
// drain the new scope is closed, as Scope.Scope describes.
func (c *Coordinator) Scope(name string, opts ...Option) *Scope {
	c.setup()
	return c.stack.nest(site.Here().As(name), opts)
}

// Stop asks the program to stop because of err, and does not wait. It is no failure if err is nil, a
// *signals.Error or context.Canceled. Any other err is a failure, as if main had returned it. If the
// stop was requested before, Stop does nothing. A Stop before Run takes effect when Run begins.
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

// A cause is why the program stops. The error is examined when it is given, without the lock,
// because its methods may block for ever.
type cause struct {
	err    error
	fault  *failure       // err, if it counts as a failure
	signal *signals.Error // a signal that err is or wraps
}

func causeOf(err error) cause {
	why := cause{err: err, signal: find[*signals.Error](err)} // err may join the signal with failures
	exit := find[*ExitError](err)
	clean := exit != nil && exit.Err == nil && exit.Code == 0 ||
		tree.Excused(err, context.Canceled, ErrStopRequested, why.signal)
	if !clean {
		why.fault = newFailure(err)
	}
	return why
}
