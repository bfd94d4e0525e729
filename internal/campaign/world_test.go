package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A world is a bubble in which a program is played, and the notes of what its steps see.
type world struct {
	p       *program
	c       *shutdown.Coordinator
	g       group.Group
	fault   *fault // what it makes wrong, nil if nothing
	base    time.Time
	signals chan os.Signal
	cancel  context.CancelCauseFunc
	release chan struct{} // lets everything go
	timers  []*time.Timer

	quiets []<-chan struct{} // what Quiesce has returned
	scopes []*scope
	regs   []*seen // handlers and started tasks
	tasks  []*seen

	mu  sync.Mutex
	obs observation
	ids int

	final observation    // obs when Run has returned
	wg    sync.WaitGroup // what is stuck on it waits for the release
	// What is stuck on a condition does, too.
	cond     *sync.Cond
	released bool
}

// An observation is what there is to judge.
type observation struct {
	p          *program
	top        *scope
	seen       []*seen
	stimuli    []stimulus
	signals    []sent
	events     []noted
	report     *shutdown.Report
	last       *shutdown.Report // after the end
	code       int
	began      time.Duration   // t0
	returned   time.Duration   // Run
	changes    []time.Duration // of what is registered
	exits      []exit
	closings   []*closing
	looks      []*look
	resumes    []resume
	codes      []exit // given to Exit
	goroutines int    // that were not there before
	pending    int    // of those, which wait for a call of theirs to return
	problems   []string
	stacks     []byte
}

type stimulus struct {
	at    time.Duration
	cause error // nil: none
	fault bool  // the cause is a failure
	delay bool  // it grants the delay
	maybe bool  // it may be none: somebody else may have had the task's error
}

type sent struct {
	at  time.Duration
	sig syscall.Signal
}

type noted struct {
	at time.Duration
	shutdown.Event
}

type exit struct {
	at   time.Duration
	code int
}

// A resume is a call of Resume.
type resume struct {
	at   time.Duration
	done bool
}

// A scope is a scope, or the stack itself.
type scope struct {
	*entry
	scope    *shutdown.Scope
	parent   *scope
	order    int
	at       time.Duration // when it was made
	children []child
	closed   bool // by somebody, perhaps before its turn
	released bool
	hand     func(context.Context) error // what Release has returned
}

func (sc *scope) name() string { return fmt.Sprintf("scope %d", sc.order) }

// A child is a step or a scope.
type child struct {
	seen  *seen
	scope *scope
}

// seen is what is known of an actor.
type seen struct {
	*actor
	kind    shutdown.StepKind
	started bool
	in      *seen // the task that is the group of this one; nil: main's
	by      *seen // the actor that has closed this handler, with its context
	home    *scope
	order   int           // of registration
	at      time.Duration // of registration
	reg     *shutdown.Registration
	task    *group.Task
	refused bool
	won     bool          // it was unregistered
	takings []*taking     // the calls of Unregister
	closed  bool          // somebody has closed it, perhaps before its turn
	settled time.Duration // when a Close of it had returned; 0: never
	shuts   []*shut       // of this task
	ran     bool          // the group of main, or of a task, has
	ranAt   time.Duration // when
	ranErr  error         // what it returned

	calls    int
	begin    time.Duration
	ctxErr   error         // of its work context at the start
	left     time.Duration // to its deadline then; -1: none
	told     bool
	toldAt   time.Duration
	over     bool
	end      time.Duration
	how      how
	err      error
	late     bool          // after its deadline
	alone    time.Duration // when the first function of a pair had returned alone; 0: it has not
	aloneErr error         // what it returned
	cut      *cut          // how its context ended, nil if it did not see that
	leak     bool
}

// A cut is the end of a context while its step ran.
type cut struct {
	at         time.Duration
	due        bool // the deadline has come
	err, cause error
}

type how int

const (
	byReturn how = iota
	byPanic
	byGoexit
	byExit
)

var (
	errBoom   = errors.New("boom")
	errStop   = errors.New("it has to stop")
	errParent = errors.New("the program around it ends")

	errServerClosed = errors.New("server closed")
)

// play plays a program in a bubble and returns what was observed.
func play(t *testing.T, p *program, f *fault) (o *observation) {
	defer watch(p).Stop()
	pprof.Do(context.Background(), pprof.Labels("seed", strconv.FormatUint(p.Seed, 10)), func(context.Context) {
		o = playInBubble(t, p, f)
	})
	return o
}

func playInBubble(t *testing.T, p *program, f *fault) (o *observation) {
	synctest.Test(t, func(*testing.T) {
		logger := zerolog.Nop()
		w := &world{
			p: p, base: time.Now(), signals: make(chan os.Signal, 64), release: make(chan struct{}), fault: f,
			c: &shutdown.Coordinator{Grace: p.Grace, Delay: p.Delay, Reraise: p.Reraise, Logger: &logger},
		}
		w.cond = sync.NewCond(new(sync.Mutex))
		w.wg.Add(1)
		w.obs.p = p
		w.c.Observe = w.observe
		notify.Use(w.c, notify.Double{
			Listen:   func([]os.Signal) (<-chan os.Signal, func()) { return w.signals, func() {} },
			DropPipe: func() func() { return func() {} },
			Exit: func(code int) {
				w.note(func() { w.obs.exits = append(w.obs.exits, exit{w.now(), code}) })
				runtime.Goexit()
			},
		})
		w.run()
		o = &w.final
	})
	return o
}

// observe notes an event, and what the Coordinator tells of itself then. It is called at the
// instant of the event: a bubble's clock stands still for as long as there is one to be told of.
func (w *world) observe(e shutdown.Event) {
	w.note(func() { w.obs.events = append(w.obs.events, noted{w.now(), e}) })
	w.looks()
	var quiets []<-chan struct{}
	switch e.(type) {
	case shutdown.StopRequested:
		w.note(func() { quiets = slices.Clone(w.quiets) })
	case shutdown.Quiesced:
	default:
		return
	}
	if w.c.Ready() {
		w.problem("Ready() after %T", e)
	}
	for i, c := range append(quiets, w.c.Stopping()) {
		select {
		case <-c:
		default:
			w.problem("a channel is open after %T: no. %d of %d, of which the last is Stopping's", e, i+1, len(quiets)+1)
		}
	}
}

// quiesce announces a stop.
func (w *world) quiesce() {
	over := w.c.Quiesce()
	w.note(func() { w.quiets = append(w.quiets, over) })
	if w.c.Ready() {
		w.problem("Ready() after Quiesce")
	}
}

// resumes takes an announcement back.
func (w *world) resumes() {
	done := w.c.Resume()
	w.note(func() { w.obs.resumes = append(w.obs.resumes, resume{w.now(), done}) })
	if !done {
		return
	}
	if !w.c.Ready() {
		w.problem("not Ready() after Resume")
	}
	select {
	case <-w.c.Stopping():
		w.problem("Stopping() is closed after Resume")
	default:
	}
}

// watch ends the process, with the program that it plays and all stacks, where the clock of a
// bubble stands still: with a goroutine that waits for a mutex, or runs for ever, nothing in
// the bubble would.
func watch(p *program) *time.Timer {
	return time.AfterFunc(maxReal, func() {
		panic(fmt.Sprintf("a program hangs outside of its time:\n%v", p))
	})
}

// maxReal is how long a program, which takes milliseconds, may take of real time.
const maxReal = 2 * time.Minute

// maxRun is when a program has certainly hung.
const maxRun = 10 * time.Hour

func (w *world) run() {
	before := runtime.NumGoroutine()
	w.obs.top = &scope{entry: new(entry)}
	for _, e := range w.p.Stack {
		w.add(e, w.obs.top)
	}
	for _, e := range w.p.Events {
		w.timers = append(w.timers, time.AfterFunc(e.At, func() { w.fire(e) }))
	}
	w.timers = append(w.timers, time.AfterFunc(time.Minute, func() { w.fire(&event{What: stopped}) }))
	w.timers = append(w.timers, time.AfterFunc(maxRun, func() {
		fmt.Fprintf(os.Stderr, "Run does not return\n%v", w.p) // nor would the test
		panic("a program hangs")
	}))
	ctx, cancel := context.WithCancelCause(context.Background())
	w.cancel = cancel
	report := w.c.Run(ctx, w.main)
	returned := w.now()
	for _, t := range w.timers {
		t.Stop()
	}
	time.Sleep(20 * ms) // the search for leaks may be left by itself at the very end
	synctest.Wait()
	last := w.c.Report()
	left := runtime.NumGoroutine() - before
	if left != w.obs.lives() || w.fault != nil {
		left = w.countInBubble()
	}
	w.note(func() {
		w.obs.report, w.obs.returned, w.obs.code = report, returned, report.ExitCode()
		w.obs.began = report.Began.Sub(w.base)
		w.obs.goroutines, w.obs.last = left, last
	})
	if w.c.Ready() {
		w.problem("Ready() after the end")
	}
	w.note(func() {
		// As it is now: what is let go goes on.
		w.final = w.obs
		w.final.seen = nil
		w.final.closings = copies(w.obs.closings)
		for _, sn := range w.obs.seen {
			c := *sn
			c.shuts, c.takings = copies(sn.shuts), copies(sn.takings)
			w.final.seen = append(w.final.seen, &c)
		}
		w.remap()
	})
	w.letGo(cancel)
}

// remap has the tree of scopes, and the tasks within others, point to the copies.
func (w *world) remap() {
	byActor := make(map[*actor]*seen)
	for _, sn := range w.final.seen {
		byActor[sn.actor] = sn
	}
	for _, sn := range w.final.seen {
		if sn.in != nil {
			sn.in = byActor[sn.in.actor]
		}
	}
	var walk func(*scope)
	walk = func(s *scope) {
		for i := range s.children {
			if c := &s.children[i]; c.seen != nil {
				c.seen = byActor[c.seen.actor]
			} else {
				walk(c.scope)
			}
		}
	}
	walk(w.obs.top)
}

// copies is the things themselves, which others may change.
func copies[T any](of []*T) (copies []*T) {
	for _, t := range of {
		c := *t
		copies = append(copies, &c)
	}
	return copies
}

// lives is how many goroutines of the program there are, by its own account.
func (o *observation) lives() (n int) {
	for _, sn := range o.seen {
		if sn.leak {
			n++
		}
		if sn.calls > 0 && !sn.over {
			n++
		}
	}
	return n + o.pending
}

var inBubble = regexp.MustCompile(`synctest bubble \d+`)

// countInBubble counts the goroutines of the bubble, without the three that make it. It
// takes longer than all the rest of a program; but runtime.NumGoroutine counts what happens
// to run elsewhere, or is about to end, as well.
func (w *world) countInBubble() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	w.note(func() { w.obs.stacks = stacks })
	bubbles := inBubble.FindAllString(string(stacks), -1) // the first is this one's
	others := slices.DeleteFunc(bubbles[1:], func(other string) bool { return other != bubbles[0] })
	return len(others) - 2
}

// letGo ends the bubble's goroutines.
func (w *world) letGo(cancel context.CancelCauseFunc) {
	close(w.release)
	w.wg.Done()
	w.cond.L.Lock()
	w.released = true
	w.cond.L.Unlock()
	w.cond.Broadcast()
	synctest.Wait()
	cancel(nil)
	time.Sleep(2 * time.Minute) // what is stuck in a sleep of one; Exit leaves a second to the caller of Run
	synctest.Wait()
}

func (w *world) now() time.Duration { return time.Since(w.base) }

// note is for what is noted. Nobody waits with the mutex held: the bubble's clock would
// stand still.
func (w *world) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note(func() { w.obs.problems = append(w.obs.problems, fmt.Sprintf("%v: %s", w.now(), text)) })
}

// changes notes that what is registered changes.
func (w *world) changes() {
	at := w.now()
	w.note(func() { w.obs.changes = append(w.obs.changes, at) })
}

func (w *world) stimulus(s stimulus) {
	s.at = w.now()
	w.note(func() { w.obs.stimuli = append(w.obs.stimuli, s) })
}

func (w *world) know(a *actor, kind shutdown.StepKind) *seen {
	sn := &seen{actor: a, kind: kind, at: w.now()}
	w.note(func() {
		w.ids++
		sn.order = w.ids
		w.obs.seen = append(w.obs.seen, sn)
	})
	return sn
}

// main is the main function.
func (w *world) main(ctx context.Context) error {
	sn := w.know(w.p.Main, shutdown.KindMain)
	work := group.WorkContext(ctx)
	w.begins(sn, work)
	for _, a := range w.p.Holds {
		w.hold(ctx, a)
	}
	if w.p.Tasks == nil {
		w.waits(sn, ctx)
		return w.performs(sn, work, nil)
	}
	w.g.Concurrent = w.p.Pool
	for _, a := range w.p.Tasks {
		w.addTask(&w.g, a, nil)
	}
	err := w.g.Run(ctx)
	w.note(func() { sn.ran, sn.ranAt, sn.ranErr = true, w.now(), err })
	return w.performs(sn, work, err)
}

// addTask adds a task to a group; the group is itself the task in, or main's.
func (w *world) addTask(g *group.Group, a *actor, in *seen) {
	sn := w.know(a, shutdown.KindTask)
	sn.in = in
	opts := []group.Option{group.Timeout(a.Timeout), group.Reserve(a.Reserve)}
	if a.Mild {
		opts = append(opts, group.MayFinish())
	}
	var task *group.Task
	switch {
	case a.Pair:
		task = w.addPair(g, sn, opts)
	case a.Inner != nil:
		task = g.Go(a.Name, w.grouped(sn), opts...)
	default:
		task = g.Go(a.Name, w.told(sn), opts...)
	}
	w.note(func() { sn.task = task; w.tasks = append(w.tasks, sn) })
}

// addPair adds a task whose first function waits for the second one.
func (w *world) addPair(g *group.Group, sn *seen, opts []group.Option) *group.Task {
	stop := make(chan struct{})
	execute := func(ctx context.Context) error {
		w.begins(sn, ctx)
		var alone <-chan time.Time
		if sn.Alone > 0 {
			alone = time.After(sn.Alone)
		}
		select {
		case <-stop:
		case <-ctx.Done(): // the cut
		case <-alone:
			if err, early := w.leaves(sn); early {
				return err
			}
		case <-w.release:
		}
		return errServerClosed // it was made to return, which is no failure
	}
	interrupt := func(ctx context.Context) error {
		w.note(func() { sn.told, sn.toldAt = true, w.now() })
		defer close(stop)
		return w.performs(sn, ctx, nil)
	}
	return g.Add(sn.Name, execute, interrupt, opts...)
}

// leaves notes that the first function of a pair returns alone, with an error that is none
// where the second has been called.
func (w *world) leaves(sn *seen) (err error, early bool) {
	if sn.Way%2 == 1 {
		err = failure{sn.Name}
	}
	w.note(func() {
		if early = !sn.told; early {
			sn.alone, sn.aloneErr = w.now(), err
		}
	})
	if early && err != nil {
		w.stimulus(stimulus{cause: err, maybe: sn.in != nil})
	}
	return err, early
}

// grouped is the function of a task that is a group.
func (w *world) grouped(sn *seen) func(context.Context) error {
	return func(ctx context.Context) error {
		work := group.WorkContext(ctx)
		w.begins(sn, work)
		g := &group.Group{Concurrent: sn.Inner.Pool}
		for _, a := range sn.Inner.Tasks {
			w.addTask(g, a, sn)
		}
		defer context.AfterFunc(ctx, func() { w.note(func() { sn.told, sn.toldAt = true, w.now() }) })()
		err := g.Run(ctx)
		w.note(func() { sn.ran, sn.ranAt, sn.ranErr = true, w.now(), err })
		return w.ends(sn, work, byReturn, err)
	}
}

// told is the function of a task.
func (w *world) told(sn *seen) func(context.Context) error {
	return func(ctx context.Context) error {
		work := group.WorkContext(ctx)
		w.begins(sn, work)
		w.waits(sn, ctx)
		return w.performs(sn, work, nil)
	}
}

// called is the function of a handler or a hold.
func (w *world) called(sn *seen) func(context.Context) error {
	f := func(ctx context.Context) error {
		w.begins(sn, ctx)
		return w.performs(sn, ctx, nil)
	}
	if w.fault != nil && w.fault.called != nil {
		return w.fault.called(sn, f)
	}
	return f
}

func (w *world) hold(ctx context.Context, a *actor) {
	sn := w.know(a, shutdown.KindHold)
	if a.Bare {
		release, ok := w.c.Hold(a.Name)
		w.note(func() { sn.refused = !ok })
		if ok {
			go func() {
				defer release()
				_ = w.called(sn)(context.Background())
			}()
		}
		return
	}
	ok := w.c.Go(ctx, a.Name, w.called(sn))
	w.note(func() { sn.refused = !ok })
}

// add registers an entry.
func (w *world) add(e *entry, in *scope) {
	if e.Actor == nil {
		sc := &scope{entry: e, parent: in, at: w.now()}
		w.note(func() { w.ids++; sc.order = w.ids; w.scopes = append(w.scopes, sc) })
		nest, opts := w.c.Scope, terms2(e.Timeout, e.Reserve)
		if in.scope != nil {
			nest = in.scope.Scope
		}
		if e.Concurrent {
			opts = append(opts, shutdown.Concurrent())
		}
		sc.scope = nest(sc.name(), opts...)
		in.children = append(in.children, child{scope: sc})
		for _, inner := range e.Entries {
			w.add(inner, sc)
		}
		return
	}
	if e.Started {
		sn := w.know(e.Actor, shutdown.KindTask)
		sn.started, sn.home = true, in
		in.children = append(in.children, child{seen: sn})
		w.regs = append(w.regs, sn)
		sn.reg = w.c.Start(w.told(sn), append(terms2(e.Actor.Timeout, e.Actor.Reserve), shutdown.Name(e.Actor.Name))...)
		return
	}
	w.register(e.Actor, in)
}

func terms2(timeout, reserve time.Duration) []shutdown.Option {
	return []shutdown.Option{shutdown.Timeout(timeout), shutdown.Reserve(reserve)}
}

func (w *world) register(a *actor, in *scope) {
	sn := w.know(a, shutdown.KindHandler)
	register := w.c.Register
	if in.scope != nil {
		register = in.scope.Register
	}
	w.note(func() {
		sn.home = in
		in.children = append(in.children, child{seen: sn})
	})
	reg := register(w.called(sn), append(terms2(a.Timeout, a.Reserve), shutdown.Name(a.Name))...)
	w.note(func() {
		sn.reg, sn.refused = reg, reg.Err() != nil
		w.regs = append(w.regs, sn)
	})
}
