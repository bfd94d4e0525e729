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
	"github.com/lastcall-go/lastcall/internal/step"
	"github.com/lastcall-go/lastcall/signals"
)

// DefaultGrace is the grace period where nothing else is said. It fits into the
// 30 s that Kubernetes gives a pod by default, with a margin.
const DefaultGrace = group.DefaultGrace

// minGrace is what a stop has left at least, however long ago a preStop hook has
// announced it: the kubelet, too, waits two seconds between SIGTERM and SIGKILL when
// the hook has used up the pod's grace period.
const minGrace = 2 * time.Second

// A Coordinator runs a program's main function, and everything that must still
// happen after it, within one grace period. The zero value is ready to use. It runs
// once, and must not be copied. The fields are set before anything is called; the
// methods may be called by any goroutine.
type Coordinator struct {
	// Grace is the time from the request to stop to the exit. Zero means the
	// environment's: TERMINATION_GRACE_PERIOD_SECONDS less PRESTOP_SLEEP_SECONDS
	// less 2 s (half of what there is where that leaves less), in seconds; else
	// DefaultGrace.
	Grace time.Duration
	// Delay is the time from the request to stop, when Ready turns false, to the
	// end of the root context. It is what load balancers need to notice. It is part
	// of Grace; more than half of that is cut to half, with a warning.
	Delay time.Duration
	// Signals ask the program to stop. Nil means SIGINT and SIGTERM; empty but not
	// nil means none.
	Signals []os.Signal
	// Reraise has Main end the process by the signal that stopped it, if all went
	// well, as shells, systemd and Kubernetes Jobs expect of an interrupted command.
	// Otherwise a clean stop is exit status 0.
	Reraise bool
	// Logger gets the log. Nil means zerolog on standard error, from level info, for
	// people if that is a terminal.
	Logger *zerolog.Logger
	// Slog gets the log instead of Logger, if it is set.
	Slog *slog.Logger
	// Observe is called with each Event, one after the other, on a goroutine that
	// nothing waits for, except at the end, and then for at most 500 ms.
	Observe func(Event)

	once  sync.Once
	run   *step.Run
	stack Scope // the handlers
	main  step.Step
	turn  step.Turn    // of main
	site  step.Site    // of main, where it is not the call of Run
	root  step.Context // the context of main
	out   journal

	// The operating system.
	listen   func([]os.Signal) (<-chan os.Signal, func())
	dropPipe func() (undo func())
	exit     func(code int)
	reraise  func(os.Signal) // returns if the process goes on

	// Guarded by the run's lock, as are all steps.
	phase    phase
	parent   context.Context
	byMain   bool // Run was called by Main, which ends the process
	alone    bool // it drains without a Run
	byExit   bool // because of an Exit, which ends the process
	early    bool // a stop came before Run
	ready    bool
	quiesced bool
	forced   bool
	exiting  bool // Exit was called
	panicked bool // main
	mainOver bool
	logStuck bool // at the end, the log could not be written

	grace, delay time.Duration // in effect
	t0           time.Duration // when the stop, or the delay before it, began; 0: not yet
	end          time.Duration // when the process ends, whatever happens
	mainEnd      time.Duration // when main and the holds are given up
	took         time.Duration

	cause   error // of the stop
	fault   error // the cause if it counts as a failure
	mainErr error // what main returned
	code    int   // of Exit

	clock      *step.Clock
	holds      map[*step.Step]struct{}
	steps      []Step       // those recorded so far; one that is not over took a negative time
	stuck      []*step.Step // those of them whose stacks may still come
	sites      step.Sites
	unfinished int             // of steps
	failures   int             // of steps
	tasks      []*Registration // that Run is to start
	leaks      []Leak
	report     *Report
	ladder     ladder
	delayOver  *time.Timer
	ticker     *time.Timer

	stopping   chan struct{}       // closed at t0
	quiet      *quiet              // of the last Quiesce
	quiets     map[*quiet]struct{} // those that are not over, of ones that were resumed too
	done       chan struct{}
	restore    []func() // what to give back at the end
	undropPipe func()
}

// A phase is a part of the timeline in doc.go.
type phase int8

const (
	fresh    phase = iota // neither Run nor a drain without it has begun
	active                // main runs
	delaying              // a stop was requested
	ending                // the root context is cancelled: tasks and main end
	draining              // handlers run
	finished
)

func init() {
	notify.Use = func(coordinator any, d notify.Double) bool {
		c := coordinator.(*Coordinator)
		run := c.lock()
		defer run.Unlock()
		if !c.mayRun() {
			return false
		}
		c.listen, c.dropPipe, c.exit, c.site = d.Listen, d.DropPipe, d.Exit, d.Site
		c.reraise = func(os.Signal) {} // Exit, which comes next, is the end
		return true
	}
	notify.Running = func(coordinator any) (steps []string) {
		c := coordinator.(*Coordinator)
		run := c.lock()
		defer run.Unlock()
		for _, w := range c.waiting(run.Now()) {
			steps = append(steps, fmt.Sprintf("%v %q (%s)", w.Kind, w.Name, w.Site))
		}
		return steps
	}
}

// Default is the Coordinator that the functions of this package use. It is for main
// packages; a library takes FromContext's, or one that it is given.
var Default = new(Coordinator)

// FromContext returns the Coordinator whose Run made ctx: that of main, tasks,
// handlers, and of requests served by httpdrain. For any other context it is Default.
func FromContext(ctx context.Context) *Coordinator {
	if s := step.From(ctx); s != nil {
		if h, ok := s.Run().Host.(host); ok {
			return h.c
		}
	}
	return Default
}

// lock locks everything, and makes the zero value ready first.
func (c *Coordinator) lock() *step.Run {
	c.setup()
	c.run.Lock()
	return c.run
}

func (c *Coordinator) setup() {
	c.once.Do(func() {
		c.run = step.NewRun(step.ValuesOf(context.Background()), host{c})
		c.stack.c, c.out.c = c, c
		c.out.setup()
		c.stopping, c.done = make(chan struct{}), make(chan struct{})
		c.holds = make(map[*step.Step]struct{})
		c.main.Origin, c.main.Kind, c.main.Told, c.main.Turn = step.Site{}.As("main"), step.Main, &c.root, &c.turn
		c.turn.Waiter = host{c}
		if c.listen == nil {
			c.listen, c.dropPipe = notify.Signals, notify.DropPipe
		}
		if c.exit == nil {
			c.exit = os.Exit
		}
		if c.reraise == nil {
			c.reraise = reraise
		}
	})
}

// Register adds a handler: a function that is called when the program ends, after
// the tasks and main have ended, the last one registered first.
//
// Each is awaited before the next is called. Its context has the values of the root
// context, but is not cancelled: it has a deadline of its own, within the grace
// period. One that is stuck is given up at its time, named, and the others are still
// called. One that fails or panics does not stop the others.
//
// A handler that is registered by a handler runs next; by one of a scope, when that
// scope is done, which is one entry of the stack. After the end, Err of the
// result is ErrDrained, and it is logged. A nil handler panics.
func (c *Coordinator) Register(h func(context.Context) error, opts ...Option) *Registration {
	c.setup()
	return c.stack.register(h, step.CallSite().As(""), opts)
}

// Unregister takes back all handlers with this name, in scopes too, and returns how
// many those were. To have none is not an error.
func (c *Coordinator) Unregister(name string) (n int) {
	run := c.lock()
	defer run.Unlock()
	c.stack.named(name, func(r *Registration) {
		if r.unregister() {
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
	return c.stack.nest(name, step.CallSite().As(name), opts)
}

// Stop asks the program to stop, and returns. A cause of nil, of *signals.Error or
// of context.Canceled makes a clean stop; any other is a failure, as if main had
// returned it. If the stop has begun already, it does nothing. A Stop before Run is
// remembered.
func (c *Coordinator) Stop(cause error) {
	fault := faultOf(cause) // before the lock: it may call the error's methods
	run := c.lock()
	defer run.Unlock()
	switch {
	case c.phase != fresh:
		c.request(run.Now(), cause, fault, true)
	case !c.early:
		c.early, c.cause, c.fault = true, cause, fault
	}
}

// faultOf is the cause of a Stop if it counts as a failure, else nil.
func faultOf(cause error) error {
	sig := find[*signals.Error](cause) // one that is there need not be all there is
	exit := find[*ExitError](cause)
	switch {
	case cause == nil, step.Excused(cause, context.Canceled, sig):
		return nil
	case exit != nil && exit.Err == nil && exit.Code == 0:
		return nil
	}
	return cause
}
