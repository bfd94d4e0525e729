package shutdowntest

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A Program is a main function that runs under a Coordinator in a test. Its methods may
// be called by any goroutine of the test. The checks, Clean, Order, Within, NothingStuck
// and NothingLeaked, wait for its end first, and may be called in any number.
type Program struct {
	*shutdown.Coordinator // Stop, Quiesce, Ready and all the rest

	t      TB
	cancel context.CancelCauseFunc
	sigs   chan os.Signal
	done   chan struct{} // Run has returned
	ending *ending
	before goleak.Option // the goroutines that were there

	heard []os.Signal // what the Coordinator listens for
	began chan struct{}

	turn  chan struct{} // whose it is to send a signal; waiting for a mutex, a bubble's clock would stand still
	last  time.Time     // when one was sent
	count int
}

// Start runs main under c, in place of shutdown.Main and of c.Run. It returns when the
// Coordinator runs; main may not have been called yet. c may be New's, or what the program
// has in production, as long as it has not been run: it hears the signals of this test, and
// no others. Nil means New(t).
//
// At the end of the test the program is stopped, if it has not been, and waited for, at
// most for its grace period. One that only this has stopped has to be Clean.
func Start(t TB, c *shutdown.Coordinator, main func(context.Context) error) *Program {
	t.Helper()
	if c == nil {
		c = New(t)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &Program{
		Coordinator: c, t: t, cancel: cancel,
		sigs: make(chan os.Signal), done: make(chan struct{}), began: make(chan struct{}),
		ending: newEnding(c),
		turn:   make(chan struct{}, 1),
		before: goleak.IgnoreCurrent(),
	}
	double := notify.Double{
		Listen: p.listen, HoldOff: func([]os.Signal) func() { return func() {} },
		Exit: p.ending.exit, Site: site.Here(),
	}
	if !notify.Use(c, double) {
		t.Errorf("shutdowntest: this Coordinator was run before; one runs once, so each Start needs its own")
		c = New(t) // has drained at once, so that the Program has an answer to everything
		_ = c.Shutdown(context.Background())
		p.Coordinator = c
	}
	release := notify.Claim(p.Coordinator, func(function string) {
		t.Errorf("shutdowntest: shutdown.%s was called while the program of another test is current; use the Coordinator, or do not run such tests in parallel", function)
	})
	go func() {
		defer close(p.done)
		defer release()
		p.run(ctx, main)
	}()
	select {
	case <-p.began:
	case <-p.done: // it has drained before, without a Run
	}
	t.Cleanup(func() {
		t.Helper()
		unasked := c.Report() == nil
		c.Stop(nil)
		<-p.done
		cancel(nil)
		if unasked {
			p.Clean()
		}
	})
	return p
}

func (p *Program) run(ctx context.Context, main func(context.Context) error) {
	defer func() {
		if v := recover(); v != nil { // on this goroutine it would end all tests
			p.t.Errorf("shutdowntest: the program was not run: %v", v)
			_ = p.Shutdown(context.Background()) // there is to be a report
		}
	}()
	p.Run(ctx, main)
}

func (p *Program) listen(sigs []os.Signal) (<-chan os.Signal, func()) {
	p.heard = sigs
	close(p.began)
	return p.sigs, func() {}
}

// apart is how long after a signal the next one counts, with a margin for how long it
// takes to be heard: the Coordinator takes what comes within 200 ms for the same.
const apart = 250 * time.Millisecond

// Signal sends the program a termination signal: the first asks it to stop, a second one
// presses, a third one ends it. Each counts: where the one before it is less than a quarter
// of a second old, it waits, since the Coordinator takes what comes within 200 ms for a
// duplicate. It does not wait for the end; when that has come, it does nothing. A signal
// that the Coordinator does not hear, and which would end a real process on the spot, is an
// error of the test.
func (p *Program) Signal(sig os.Signal) {
	p.t.Helper()
	if p.ended() {
		return
	}
	if !slices.ContainsFunc(p.heard, func(h os.Signal) bool { return notify.Same(h, sig) }) {
		p.t.Errorf("shutdowntest: the program hears %v, not %v, which would kill it", p.heard, sig)
		return
	}
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.count++
	for !p.ended() && p.send(sig) && p.missed() {
	}
}

// send waits until a signal counts, and sends it. It returns false if the program ends.
func (p *Program) send(sig os.Signal) bool {
	if wait := apart - time.Since(p.last); !p.last.IsZero() && wait > 0 {
		select {
		case <-time.After(wait):
		case <-p.Done():
			return false
		}
	}
	select {
	case p.sigs <- sig:
		p.last = time.Now()
		return true
	case <-p.Done():
		return false
	}
}

// missed reports whether a signal was taken for a duplicate after all, where it was sent
// in time but heard too late: after a second and a third there is something to see.
func (p *Program) missed() bool {
	var effect func() bool
	switch p.count {
	case 2:
		effect = func() bool { r := p.Coordinator.Report(); return r != nil && r.Forced }
	case 3:
		effect = p.ended
	default:
		return false
	}
	for end := time.Now().Add(apart); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if effect() || p.ended() {
			return false
		}
	}
	return true
}

// Cancel ends the context that the program runs in, as a program around it would: the
// parent context of Run.
func (p *Program) Cancel(cause error) { p.cancel(cause) }

// Wait waits for the end of the program: it has been drained, or ended by a third signal.
// In the latter case the report is what there was by then; that of Report may go on, since
// what was still running does.
func (p *Program) Wait() *shutdown.Report {
	select {
	case <-p.done:
	case <-p.ending.over:
	}
	if p.cutShort() {
		return p.ending.report
	}
	return p.Coordinator.Report()
}

// ExitCode waits for the end, and is what the process would have ended with.
func (p *Program) ExitCode() int {
	r := p.Wait()
	if code, ok := p.ending.exited(); ok {
		return code
	}
	return r.ExitCode()
}

// cutShort reports whether a third signal has ended the program before it was drained.
func (p *Program) cutShort() bool {
	_, exited := p.ending.exited()
	return exited && p.ending.report != nil
}

func (p *Program) ended() bool {
	select {
	case <-p.done:
		return true
	case <-p.ending.over:
		return true
	default:
		return false
	}
}

// An ending stands in for os.Exit.
type ending struct {
	c       *shutdown.Coordinator
	once    sync.Once
	over    chan struct{}
	code    int
	report  *shutdown.Report // of then, if the Coordinator had not drained
	running []string         // the steps that it was waiting for
}

func newEnding(c *shutdown.Coordinator) *ending {
	return &ending{c: c, over: make(chan struct{})}
}

// exit keeps the first code. Like os.Exit, it does not return; whose goroutine it is has
// nothing more to do in any case.
func (e *ending) exit(code int) {
	e.once.Do(func() {
		e.code = code
		select {
		case <-e.c.Done():
		default:
			e.report, e.running = e.c.Report(), notify.Running(e.c)
		}
		close(e.over)
	})
	runtime.Goexit()
}

func (e *ending) exited() (code int, ok bool) {
	select {
	case <-e.over:
		return e.code, true
	default:
		return 0, false
	}
}
