package shutdowntest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// Clean expects that the report's Err is nil and the exit code 0. With Reraise, the exit code may
// also be that of the signal that stopped the program.
func (p *Program) Clean() {
	p.t.Helper()
	r := p.Wait()
	if err := r.Err(); err != nil {
		p.fail(r, "the program failed: %v", err)
		return
	}
	var sig *signals.Error
	code := p.ExitCode()
	raised := p.Reraise && !p.exitedEarly() && errors.As(r.Cause, &sig) && code == sig.ExitCode()
	if code != 0 && !raised {
		p.fail(r, "exit code %d, want 0", code)
	}
}

// Order expects that steps with these names began in this order. Other steps may come in between. Each
// name stands for one step, also if several steps have the same name. A skipped step has not begun.
func (p *Program) Order(names ...string) {
	p.t.Helper()
	r := p.Wait()
	begun := slices.DeleteFunc(slices.Clone(r.Steps), func(s shutdown.Step) bool { return s.Outcome == shutdown.OutcomeSkipped })
	at := 0
	for i, name := range names {
		found := indexFrom(begun, at, name)
		if found >= 0 {
			at += found + 1
			continue
		}
		skipped := indexFrom(r.Steps, 0, name)
		switch {
		case indexFrom(begun, 0, name) >= 0:
			p.fail(r, "step %q did not begin after %q, want the order %q", name, names[max(0, i-1)], names)
		case skipped >= 0:
			p.fail(r, "step %q did not begin: %v", name, r.Steps[skipped].Err)
		default:
			p.fail(r, "there is no step %q", name)
		}
		return
	}
}

// indexFrom returns the index of the first step with this name in steps[from:], or -1.
func indexFrom(steps []shutdown.Step, from int, name string) int {
	return slices.IndexFunc(steps[from:], func(s shutdown.Step) bool { return s.Name == name })
}

// Within expects that the stop took at most d, from the request to stop to the end. In a synctest
// bubble the time is exact. Elsewhere it depends on how busy the machine is.
func (p *Program) Within(d time.Duration) {
	p.t.Helper()
	r := p.Wait()
	if r.Took <= d {
		return
	}
	var slowest shutdown.Step
	for _, s := range r.Steps {
		if s.Took > slowest.Took && s.Kind != shutdown.KindMain {
			slowest = s
		}
	}
	detail := ""
	if slowest.Took > 0 {
		detail = fmt.Sprintf("; the slowest step, %q, took %v", slowest.Name, slowest.Took)
	}
	p.fail(r, "the stop took %v, want at most %v%s", r.Took, d, detail)
}

// NothingStuck expects that no step was late, abandoned or skipped, and that no step was running when
// a third signal ended the program.
func (p *Program) NothingStuck() {
	p.t.Helper()
	p.none(shutdown.OutcomeLate, shutdown.OutcomeAbandoned, shutdown.OutcomeSkipped)
}

// none expects that no step has one of these outcomes, and that all steps have ended.
func (p *Program) none(outcomes ...shutdown.Outcome) {
	p.t.Helper()
	r := p.Wait()
	if p.exitedEarly() {
		p.fail(r, "the program was ended with exit code %d while steps were running", p.ExitCode())
	}
	for _, s := range r.Steps {
		if !slices.Contains(outcomes, s.Outcome) {
			continue
		}
		what := ""
		if s.Stack != "" {
			what = "\n" + s.Stack
		}
		p.fail(r, "%v %q (%s) was %v: %v%s", s.Kind, s.Name, s.Site, s.Outcome, s.Err, what)
	}
}

// NothingLeaked expects that all goroutines that have started since Start have ended. It names the
// task or handler that has left a goroutine behind, if the report knows it. Other goroutines are found
// by goleak, which waits a moment for goroutines to end.
//
// It looks at all goroutines of the process. So it must not be used in tests that run in parallel, or
// while another program of the same test runs. After a third signal it checks only the report: the
// goroutines of the steps that were still running are not leaks.
func (p *Program) NothingLeaked() {
	p.t.Helper()
	r := p.Wait()
	for _, l := range r.Leaks {
		p.fail(r, "step %q left %d goroutines behind:\n%s", l.Step, l.Count, l.Stack)
	}
	if p.exitedEarly() || len(r.Leaks) > 0 {
		return // goleak would find the same goroutines again
	}
	if err := goleak.Find(p.before, goleak.IgnoreAnyFunction(exitBlocked)); err != nil {
		p.fail(r, "goroutines are left: %v", err)
	}
}

// exitBlocked is the function in which a call of Exit waits for the end of the process. It waits for
// up to a second, which is longer than goleak waits.
const exitBlocked = "github.com/lastcall-go/lastcall/shutdown.(*Coordinator).waitForOtherExit"

func (p *Program) fail(r *shutdown.Report, format string, args ...any) {
	p.t.Helper()
	text := r.String()
	if p.exitedEarly() {
		text += "\nstill running: " + strings.Join(p.exiter.running, ", ")
	}
	p.t.Errorf("%s\n%s", fmt.Sprintf(format, args...), indent(text))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
