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

// A Program is a main function that runs under a Coordinator in a test. Its methods may be called
// from any goroutine of the test. The checks Clean, Order, Within, NothingStuck and NothingLeaked
// first wait for the end of the program. They may be called more than once.
type Program struct {
	*shutdown.Coordinator // for Stop, Quiesce, Ready and its other methods

	t      TB
	cancel context.CancelCauseFunc
	sigs   chan os.Signal
	done   chan struct{} // closed when Run has returned
	exiter *exiter
	before goleak.Option // the goroutines that ran before Start

	handled []os.Signal // the signals that the Coordinator handles
	began   chan struct{}

	sending chan struct{} // held while a signal is sent; in a bubble, time does not pass while a goroutine waits for a mutex
	last    time.Time     // when the last signal was sent
	count   int
}

// Start runs main under c, as shutdown.Main and c.Run do. It returns when c runs; main may not have
// been called yet. c may come from [New], or be the Coordinator of the program, if it has not run
// before. c gets the signals that the test sends with Signal, and none of the operating system. If c
// is nil, Start uses New(t).
//
// Start does not wait until a program with a Warmup has started: p.Ready reports that.
//
// At the end of the test, Start stops a program that has not been stopped before, and calls
// [Program.Clean]. In any case it waits for the end of the program, for at most its grace period.
func Start(t TB, c *shutdown.Coordinator, main func(context.Context) error) *Program {
	t.Helper()
	if c == nil {
		c = New(t)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &Program{
		Coordinator: c, t: t, cancel: cancel,
		sigs: make(chan os.Signal), done: make(chan struct{}), began: make(chan struct{}),
		exiter:  newExiter(c),
		sending: make(chan struct{}, 1),
		before:  goleak.IgnoreCurrent(),
	}
	double := notify.Double{
		Listen: p.listen, HoldOff: func([]os.Signal) func() { return func() {} },
		Exit: p.exiter.exit, Site: site.Here(),
	}
	if !notify.Use(c, double) {
		t.Errorf("shutdowntest: this Coordinator was run before; it runs once, so each Start needs a new one")
		c = New(t) // it drains at once, so that the methods of the Program return
		_ = c.Shutdown(context.Background())
		p.Coordinator = c
	}
	release := notify.Claim(p.Coordinator, func(function string) {
		t.Errorf("shutdowntest: shutdown.%s was called while the program of another test runs; use the method of the Coordinator, or do not run these tests in parallel", function)
	})
	go func() {
		defer close(p.done)
		defer release()
		p.run(ctx, main)
	}()
	select {
	case <-p.began:
	case <-p.done: // c had drained without a Run
	}
	t.Cleanup(func() {
		t.Helper()
		running := c.Report() == nil
		c.Stop(nil)
		<-p.done
		cancel(nil)
		if running {
			p.Clean()
		}
	})
	return p
}

func (p *Program) run(ctx context.Context, main func(context.Context) error) {
	defer func() {
		if v := recover(); v != nil { // a panic on this goroutine would end all tests
			p.t.Errorf("shutdowntest: the program was not run: %v", v)
			_ = p.Shutdown(context.Background()) // Wait needs a report
		}
	}()
	p.Run(ctx, main)
}

func (p *Program) listen(sigs []os.Signal) (<-chan os.Signal, func()) {
	p.handled = sigs
	close(p.began)
	return p.sigs, func() {}
}

// signalGap is the time between two signals. The Coordinator ignores a signal that comes within 200 ms
// of the last one that counted; the rest is a margin for late delivery.
const signalGap = 250 * time.Millisecond

// Signal sends a termination signal to the program. The first one is a request to stop. After the
// second one, each step gets only its minimum. The third one ends the program.
//
// Signal waits until 250 ms have passed since the previous signal, because the Coordinator ignores a
// signal that comes within 200 ms of the last one that counted. It does not wait for the end of the
// program. After the end it does nothing.
//
// It is a failure of the test if the Coordinator does not handle the signal, which would end a real
// process at once.
func (p *Program) Signal(sig os.Signal) {
	p.t.Helper()
	if p.ended() {
		return
	}
	if !slices.ContainsFunc(p.handled, func(h os.Signal) bool { return notify.Same(h, sig) }) {
		p.t.Errorf("shutdowntest: the program handles %v, not %v, which would end it at once", p.handled, sig)
		return
	}
	p.sending <- struct{}{}
	defer func() { <-p.sending }()
	p.count++
	for !p.ended() && p.send(sig) && p.missed() {
	}
}

// send waits for the gap between signals, and sends one. It returns false if the program has ended.
func (p *Program) send(sig os.Signal) bool {
	if wait := signalGap - time.Since(p.last); !p.last.IsZero() && wait > 0 {
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

// missed reports whether the Coordinator has ignored the second or third signal, because the previous
// one was delivered late. It waits for the effect of the signal.
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
	for end := time.Now().Add(signalGap); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if effect() || p.ended() {
			return false
		}
	}
	return true
}

// Cancel ends the context given to Run, with this cause.
func (p *Program) Cancel(cause error) { p.cancel(cause) }

// Wait waits until the program has drained, or was ended by a third signal, and returns the report.
// After a third signal that is the report of that moment. The report of the Coordinator may still
// change, because the steps that were running go on in the test's process.
func (p *Program) Wait() *shutdown.Report {
	select {
	case <-p.done:
	case <-p.exiter.done:
	}
	if p.exitedEarly() {
		return p.exiter.report
	}
	return p.Coordinator.Report()
}

// ExitCode waits for the end of the program, and returns its exit code.
func (p *Program) ExitCode() int {
	r := p.Wait()
	if code, ok := p.exiter.exited(); ok {
		return code
	}
	return r.ExitCode()
}

// exitedEarly reports whether a third signal has ended the program before it had drained.
func (p *Program) exitedEarly() bool {
	_, exited := p.exiter.exited()
	return exited && p.exiter.report != nil
}

func (p *Program) ended() bool {
	select {
	case <-p.done:
		return true
	case <-p.exiter.done:
		return true
	default:
		return false
	}
}

// An exiter replaces os.Exit.
type exiter struct {
	c       *shutdown.Coordinator
	once    sync.Once
	done    chan struct{} // closed when exit was called
	code    int
	report  *shutdown.Report // at the exit, if the Coordinator had not drained; else nil
	running []string         // the steps that were running then
}

func newExiter(c *shutdown.Coordinator) *exiter {
	return &exiter{c: c, done: make(chan struct{})}
}

// exit records the first code. Like os.Exit it does not return: it ends the calling goroutine.
func (e *exiter) exit(code int) {
	e.once.Do(func() {
		e.code = code
		select {
		case <-e.c.Done():
		default:
			e.report, e.running = e.c.Report(), notify.Running(e.c)
		}
		close(e.done)
	})
	runtime.Goexit()
}

func (e *exiter) exited() (code int, ok bool) {
	select {
	case <-e.done:
		return e.code, true
	default:
		return 0, false
	}
}
