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

// A world is a bubble in which a program is played, with the records of its steps.
type world struct {
	p       *program
	outer   *world // the world of the actor that runs this program, nil for the outermost
	inners  []*world
	until   time.Duration // when the context of main's group blocks no more
	c       *shutdown.Coordinator
	g       group.Group
	fault   *fault // the fault to make, nil if none
	base    time.Time
	signals chan os.Signal
	cancel  context.CancelCauseFunc
	release chan struct{} // closed to release everything that is stuck
	timers  []*time.Timer

	quiets []<-chan struct{} // the channels of Quiesce
	scopes []*scope
	regs   []*seen // handlers and started tasks
	tasks  []*seen

	mu  sync.Mutex
	obs observation
	ids int

	final observation // obs when all is over
	*held
}

// held has a WaitGroup and a condition on which stuck actors wait for their release.
type held struct {
	wg       sync.WaitGroup
	cond     *sync.Cond
	released bool
}

// An observation is everything that the model judges.
type observation struct {
	p          *program
	inners     []*observation // of the programs that its actors have run
	outermost  bool
	top        *scope
	start      time.Duration // of the program
	seen       []*seen
	stimuli    []stimulus
	signals    []sent
	events     []noted
	parent     error // of the context that it was given, in the end
	report     *shutdown.Report
	last       *shutdown.Report // after the end
	code       int
	began      time.Duration   // t0
	returned   time.Duration   // Run
	changes    []time.Duration // the times of registrations and removals
	exits      []exit
	closings   []*closing
	descents   []*descent
	reports    []*reportCall
	resumes    []resume
	announced  []announcing
	codes      []exit // passed to Exit
	blocked    int    // goroutines that are in a context of a user's
	goroutines int    // that were not there before
	pending    int    // of those, which wait for a call of theirs to return
	problems   []string
	stacks     []byte
}

type stimulus struct {
	at    time.Duration
	cause error  // nil: none
	fault bool   // the cause is a failure
	delay bool   // there is a delay after it
	why   why    // what it is, if it has no cause
	of    string // the name of the task that has ended
	maybe bool   // it may not count: somebody else may have had the task's error
}

type sent struct {
	at  time.Duration
	sig syscall.Signal
}

type noted struct {
	at time.Duration
	shutdown.Event
	ready bool // what Ready said then
}

type exit struct {
	at   time.Duration
	code int
}

// An announcing is a call of Quiesce.
type announcing struct {
	at   time.Duration
	over bool // the channel was closed when it returned
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
	maker    *actor // that has made it, nil if none
	order    int
	at       time.Duration // when it was made
	children []child
	closed   bool // by somebody, perhaps before its turn
	closes   int  // how many calls of Close were not refused
	released bool
	hand     func(context.Context) error // the function that Release returned
	// releasedAt is the time of the first release.
	releasedAt time.Duration
}

func (sc *scope) name() string { return fmt.Sprintf("scope %d", sc.order) }

// A child is a step or a scope.
type child struct {
	seen  *seen
	scope *scope
}

// seen is the record of an actor.
type seen struct {
	*actor
	kind    shutdown.StepKind
	started bool
	in      *seen // the task that is the group of this one; nil: main's
	by      *seen // the actor that has closed this handler, with its context
	home    *scope
	until   time.Duration // when the context of the group that it is blocks no more
	inner   *world        // of the program that it runs
	maker   *actor        // the actor that registered it, nil if none
	order   int           // of registration
	at      time.Duration // of registration
	slack   time.Duration // how long a context may have blocked the registration, which was over at at
	reg     *shutdown.Registration
	task    *group.Task
	refused bool
	won     bool          // it was unregistered
	takings []*taking     // the calls of Unregister
	closes  int           // how many calls of Close were not refused
	closed  bool          // somebody has closed it, perhaps before its turn
	settled time.Duration // when a Close of it had returned; 0: never
	shuts   []*shut       // of this task
	runs    bool          // it has called Run of its group
	runsAt  time.Duration // when
	ran     bool          // Run has returned
	ranAt   time.Duration // when
	ranErr  error         // what it returned

	calls    int
	begin    time.Duration
	ctxErr   error         // of its work context at the start
	left     time.Duration // to its deadline then; -1: none
	acts     bool          // from then on it waits only for its own act
	actsAt   time.Duration
	upAt     time.Duration // when it called Started; 0: it has not
	failedAt time.Duration // when it exceeded the limit of its start; 0: it has not
	told     bool
	toldAt   time.Duration
	hears    context.Context // its end tells the actor to stop
	over     bool
	end      time.Duration
	how      how
	err      error
	late     bool            // after its deadline
	expired  bool            // when its context had ended at its deadline
	deadline time.Time       // of its context at its start, zero if it has none
	work     context.Context // of which that is
	moved    bool            // that was another one at its end
	alone    time.Duration   // when the first function of a pair had returned alone; 0: it has not
	aloneErr error           // what it returned
	ended    *contextEnd     // how its context ended, nil if it did not see that
	leak     bool
	tries    []*try // the calls of a task with Restart
	waits    bool   // it has failed, and is to be called again
}

// A contextEnd is the end of a context while its step ran.
type contextEnd struct {
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
		w := &world{base: time.Now(), release: make(chan struct{}), fault: f, held: new(held)}
		w.cond = sync.NewCond(new(sync.Mutex))
		w.wg.Add(1)
		w.has(p)
		w.run()
		o = &w.final
	})
	return o
}

// has gives the world its program and a Coordinator.
func (w *world) has(p *program) {
	logger := zerolog.Nop()
	w.p, w.signals = p, make(chan os.Signal, 64)
	w.c = &shutdown.Coordinator{Grace: p.Grace, Delay: p.Delay, Reraise: p.Reraise, Logger: &logger, Observe: w.observe}
	if p.Main != nil {
		w.c.Warmup = p.Main.Warm
	}
	if p.Ctx != nil && p.Ctx.Hidden || w.outer != nil {
		// The end of such a context, or of an outer one, may come from a signal, and events wait until
		// that is known. The double delivers signals anyway.
		w.c.Signals = []os.Signal{}
	}
	w.obs.p, w.obs.top, w.obs.start, w.obs.outermost = p, &scope{entry: new(entry)}, w.now(), w.outer == nil
	notify.Use(w.c, notify.Double{
		Listen:  func([]os.Signal) (<-chan os.Signal, func()) { return w.signals, func() {} },
		HoldOff: func([]os.Signal) func() { return func() {} },
		Exit: func(code int) {
			w.note(func() { w.obs.exits = append(w.obs.exits, exit{w.now(), code}) })
			runtime.Goexit()
		},
	})
}

// observe records an event and the state of the Coordinator. It is called at the instant of the event,
// because the clock of a bubble does not advance while a goroutine has something to do.
func (w *world) observe(e shutdown.Event) {
	ready := w.c.Ready()
	w.note(func() { w.obs.events = append(w.obs.events, noted{w.now(), e, ready}) })
	w.asksForReport()
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
	at, isOver := w.now(), false
	select {
	case <-over:
		isOver = true
	default:
	}
	w.note(func() {
		w.quiets = append(w.quiets, over)
		w.obs.announced = append(w.obs.announced, announcing{at, isOver})
	})
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
	if !w.c.Ready() && !w.p.Warms {
		w.problem("not Ready() after Resume")
	}
	select {
	case <-w.c.Stopping():
		w.problem("Stopping() is closed after Resume")
	default:
	}
}

// watch ends the process if the clock of a bubble stops, because a goroutine waits for a mutex or
// runs for ever. Nothing in the bubble could end it. It prints the program and all stacks.
func watch(p *program) *time.Timer {
	return time.AfterFunc(maxReal, func() {
		panic(fmt.Sprintf("a program hangs outside of its time:\n%v", p))
	})
}

// maxReal is the limit of a program in real time. A program takes milliseconds.
const maxReal = 2 * time.Minute

// maxRun is the limit of a program in the bubble's time.
const maxRun = 10 * time.Hour

func (w *world) run() {
	before := runtime.NumGoroutine()
	hangs := time.AfterFunc(maxRun, func() {
		fmt.Fprintf(os.Stderr, "Run does not return\n%v", w.p) // neither would the test
		panic("a program hangs")
	})
	w.plays(context.Background())
	time.Sleep(20 * ms) // the scan for leaks may still run after the end
	for w.busy() {      // they end by themselves
		time.Sleep(s)
	}
	hangs.Stop()
	synctest.Wait()
	left := runtime.NumGoroutine() - before
	if left != w.lives() || w.fault != nil {
		left = w.countInBubble()
	}
	w.obs.goroutines = left
	w.concludes()
	w.endAll()
}

// plays runs the program, within ctx.
func (w *world) plays(ctx context.Context) {
	for _, e := range w.p.Stack {
		w.add(e, w.obs.top)
	}
	for _, e := range w.p.Events {
		w.timers = append(w.timers, time.AfterFunc(e.At, func() { w.fire(e) }))
	}
	w.timers = append(w.timers, time.AfterFunc(time.Minute, func() { w.fire(&event{What: stopped}) }))
	ctx, w.cancel = w.within(ctx)
	report := w.drains(w.p.Ctx.of(w, ctx))
	returned, err := w.now(), ctx.Err()
	for _, t := range w.timers {
		t.Stop()
	}
	w.note(func() {
		w.obs.report, w.obs.returned, w.obs.code, w.obs.parent = report, returned, report.ExitCode(), err
		w.obs.began = report.Began.Sub(w.base)
	})
}

// drains calls Run, or Shutdown if the program has no main.
func (w *world) drains(ctx context.Context) *shutdown.Report {
	if !w.p.Alone {
		return w.c.Run(ctx, w.main)
	}
	w.stimulus(stimulus{why: asked})
	w.shutsDown(ctx)
	<-w.c.Done()
	return w.c.Report()
}

// shutsDown calls Shutdown, not from within a step of this program.
func (w *world) shutsDown(ctx context.Context) {
	err := w.c.Shutdown(ctx)
	select {
	case <-w.c.Done():
		if bad := w.c.Report().Err() != nil; bad != (err != nil) && (err == nil || err != plain(ctx).Err()) {
			w.problem("Shutdown returned %v, and the report's error is %v", err, w.c.Report().Err())
		}
	default:
		if ended := plain(ctx).Err(); err == nil || err != ended {
			w.problem("Shutdown returned %v before the end, its context's error is %v", err, ended)
		}
	}
}

// concludes keeps the observations, also of the inner programs. Later changes do not affect them.
func (w *world) concludes() {
	if w.c.Ready() {
		w.problem("Ready() after the end")
	}
	last := w.c.Report()
	for _, in := range w.inners {
		in.concludes()
	}
	w.note(func() {
		w.obs.last = last
		w.final = w.obs
		for _, in := range w.inners {
			w.final.inners = append(w.final.inners, &in.final)
		}
		w.final.seen = nil
		w.final.closings = copies(w.obs.closings)
		for _, sn := range w.obs.seen {
			c := *sn
			c.shuts, c.takings, c.tries = copies(sn.shuts), copies(sn.takings), copies(sn.tries)
			w.final.seen = append(w.final.seen, &c)
		}
		w.final.stimuli = slices.Clone(w.obs.stimuli)
		w.final.restoresFailures()
		w.remap()
	})
}

// remap makes the pointers between scopes and tasks point to the copies.
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

// copies returns copies of the elements.
func copies[T any](of []*T) (copies []*T) {
	for _, t := range of {
		c := *t
		copies = append(copies, &c)
	}
	return copies
}

// lives returns the number of goroutines that the program says it has.
func (o *observation) lives() (n int) {
	for _, sn := range o.seen {
		if sn.leak {
			n++
		}
		if sn.calls > 0 && !sn.over && (sn.alone == 0 || sn.told) { // else the first function of the pair has returned
			n++
		}
	}
	return n + o.pending
}

// allLives is lives with the programs within.
func (o *observation) allLives() (n, blocked int) {
	n, blocked = o.lives(), o.blocked
	for _, in := range o.inners {
		k, b := in.allLives()
		n, blocked = n+k, blocked+b
	}
	return n, blocked
}

var inBubble = regexp.MustCompile(`synctest bubble \d+`)

// countInBubble counts the goroutines of the bubble, without the three that make it. It takes longer
// than the rest of a program. But runtime.NumGoroutine would also count goroutines outside the bubble
// and those that are about to end.
func (w *world) countInBubble() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	w.note(func() { w.obs.stacks = stacks })
	bubbles := inBubble.FindAllString(string(stacks), -1) // the first is this one's
	others := slices.DeleteFunc(bubbles[1:], func(other string) bool { return other != bubbles[0] })
	return len(others) - 2
}

// endAll ends the bubble's goroutines.
func (w *world) endAll() {
	close(w.release)
	w.wg.Done()
	w.cond.L.Lock()
	w.released = true
	w.cond.L.Unlock()
	w.cond.Broadcast()
	synctest.Wait()
	w.cancel(nil)
	time.Sleep(2 * time.Minute) // longer than the sleep of a stuck actor, and the second that Exit leaves to the caller of Run
	synctest.Wait()
}

func (w *world) now() time.Duration { return time.Since(w.base) }

// note changes records with the mutex held. f must not wait: the bubble's clock would stop.
func (w *world) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.note(func() { w.obs.problems = append(w.obs.problems, fmt.Sprintf("%v: %s", w.now(), text)) })
}

// changes records the time of a registration or removal.
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
	w.isOwn(sn, ctx)
	w.starts(sn, ctx)
	for _, a := range w.p.Holds {
		w.hold(a.Ctx.of(w, ctx), a, a.Ctx)
	}
	if w.p.Tasks == nil {
		if sn.fromTheStart() {
			defer w.hears(sn, ctx)()
		}
		w.waits(sn, ctx)
		return w.performs(sn, work, nil)
	}
	w.g.Concurrent = w.p.Pool
	for _, a := range w.p.Tasks {
		w.addTask(&w.g, a, nil)
	}
	w.note(func() { w.until, sn.runs, sn.runsAt = w.p.Group.until(w.now()), true, w.now() })
	err := w.g.Run(w.p.Group.of(w, ctx))
	w.note(func() { sn.ran, sn.ranAt, sn.ranErr = true, w.now(), err })
	return w.performs(sn, work, err)
}

// addTask adds a task to a group; the group is itself the task in, or main's.
func (w *world) addTask(g *group.Group, a *actor, in *seen) {
	sn := w.know(a, shutdown.KindTask)
	sn.in = in
	opts := append(a.policy(), group.Timeout(a.Timeout), group.Reserve(a.Reserve))
	if a.Mild {
		opts = append(opts, group.MayFinish())
	}
	if a.Warm != 0 {
		opts = append(opts, group.Warmup(a.warmup()))
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
		w.isOwn(sn, ctx)
		w.starts(sn, ctx)
		var alone <-chan time.Time
		if sn.Alone > 0 {
			alone = time.After(sn.Alone)
		}
		select {
		case <-stop:
		case <-ctx.Done(): // the deadline
		case <-alone:
			if err, early := w.leaves(sn); early {
				return err
			}
		case <-w.release:
		}
		return errServerClosed // it was told to return, so this is not a failure
	}
	interrupt := func(ctx context.Context) error {
		w.note(func() { sn.told, sn.toldAt = true, w.now() })
		defer close(stop)
		return w.performs(sn, ctx, nil)
	}
	return g.Add(sn.Name, execute, interrupt, opts...)
}

// leaves records that the first function of a pair returns alone. Its error does not count if the
// second function has been called.
func (w *world) leaves(sn *seen) (err error, early bool) {
	if sn.Way%2 == 1 {
		err = failure{sn.Name}
	}
	w.note(func() {
		if early = !sn.told; early {
			sn.alone, sn.aloneErr = w.now(), err
			if err == nil && w.endedTooEarly(sn) {
				sn.aloneErr = errNotStarted
			}
		}
	})
	if early && sn.aloneErr != nil && !sn.MayFail {
		w.fails(sn, stimulus{cause: sn.aloneErr, maybe: sn.in != nil})
	}
	return err, early
}

// grouped is the function of a task that is a group.
func (w *world) grouped(sn *seen) func(context.Context) error {
	return func(ctx context.Context) error {
		work := group.WorkContext(ctx)
		w.begins(sn, work)
		w.isOwn(sn, ctx)
		w.starts(sn, ctx)
		g := &group.Group{Concurrent: sn.Inner.Pool}
		for _, a := range sn.Inner.Tasks {
			w.addTask(g, a, sn)
		}
		defer w.hears(sn, ctx)()
		w.note(func() { sn.until, sn.runs, sn.runsAt = sn.Inner.Ctx.until(w.now()), true, w.now() })
		err := g.Run(sn.Inner.Ctx.of(w, ctx))
		w.note(func() { sn.ran, sn.ranAt, sn.ranErr = true, w.now(), err })
		return w.ends(sn, work, byReturn, err)
	}
}

// hears records when an actor is told to stop that does not wait for this.
func (w *world) hears(sn *seen, ctx context.Context) (stop func() bool) {
	w.note(func() { sn.hears = ctx })
	return context.AfterFunc(ctx, func() { w.note(func() { sn.told, sn.toldAt = true, w.now() }) })
}

// told is the function of a task.
func (w *world) told(sn *seen) func(context.Context) error {
	return func(ctx context.Context) error {
		work := group.WorkContext(ctx)
		w.begins(sn, work)
		w.isOwn(sn, ctx)
		w.starts(sn, ctx)
		if sn.fromTheStart() {
			defer w.hears(sn, ctx)()
		}
		w.waits(sn, ctx)
		if sn.failsByItself() && !sn.told {
			return w.failsOnce(sn, func(h how, err error) error { return w.ends(sn, work, h, err) })
		}
		return w.performs(sn, work, nil)
	}
}

// called is the function of a handler or a hold.
func (w *world) called(sn *seen) func(context.Context) error {
	f := func(ctx context.Context) error {
		w.begins(sn, ctx)
		if !sn.Bare {
			w.isOwn(sn, ctx)
		}
		return w.performs(sn, ctx, nil)
	}
	if w.fault != nil && w.fault.called != nil {
		return w.fault.called(sn, f)
	}
	return f
}

// hold begins a hold. Its context may block the call.
func (w *world) hold(ctx context.Context, a *actor, how *strange) {
	sn := w.know(a, shutdown.KindHold)
	sn.at += how.slack()
	sn.slack = how.slack()
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
		w.makes(e, in, nil)
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
	w.register(e.Actor, in, nil)
}

// makes makes a scope with its entries. by is the actor that calls it, nil if none.
func (w *world) makes(e *entry, in *scope, by *actor) *scope {
	sc := &scope{entry: e, parent: in, maker: by, at: w.now()}
	w.note(func() {
		w.ids++
		sc.order = w.ids
		in.children = append(in.children, child{scope: sc})
	})
	nest, opts := w.c.Scope, terms2(e.Timeout, e.Reserve)
	if in.scope != nil {
		nest = in.scope.Scope
	}
	if e.Concurrent {
		opts = append(opts, shutdown.Concurrent())
	}
	sc.scope = nest(sc.name(), opts...)
	w.note(func() { w.scopes = append(w.scopes, sc) })
	for _, inner := range e.Entries {
		if inner.Actor == nil {
			w.makes(inner, sc, by)
		} else {
			w.register(inner.Actor, sc, by)
		}
	}
	return sc
}

func terms2(timeout, reserve time.Duration) []shutdown.Option {
	return []shutdown.Option{shutdown.Timeout(timeout), shutdown.Reserve(reserve)}
}

func (w *world) register(a *actor, in *scope, by *actor) {
	sn := w.know(a, shutdown.KindHandler)
	sn.maker = by
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
