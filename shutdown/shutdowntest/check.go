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

// Clean expects that nothing has failed: the report's Err is nil, and so is the exit code
// (which is that of the signal where the Coordinator is set to Reraise).
func (p *Program) Clean() {
	p.t.Helper()
	r := p.Wait()
	if err := r.Err(); err != nil {
		p.fail(r, "the program failed: %v", err)
		return
	}
	var sig *signals.Error
	code := p.ExitCode()
	raised := p.Reraise && !p.cutShort() && errors.As(r.Cause, &sig) && code == sig.ExitCode()
	if code != 0 && !raised {
		p.fail(r, "exit code %d, want 0", code)
	}
}

// Order expects that the steps with these names were begun in this order. Others may lie
// between them. Of several with the same name each counts once. One that was skipped was not
// begun.
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
			p.fail(r, "step %q was not begun after %q, want the order %q", name, names[max(0, i-1)], names)
		case skipped >= 0:
			p.fail(r, "step %q was not begun: %v", name, r.Steps[skipped].Err)
		default:
			p.fail(r, "there was no step %q", name)
		}
		return
	}
}

// indexFrom is how far from there the first step of this name is, -1 if there is none.
func indexFrom(steps []shutdown.Step, from int, name string) int {
	return slices.IndexFunc(steps[from:], func(s shutdown.Step) bool { return s.Name == name })
}

// Within expects that no more than d has passed from the request to the end. In a bubble
// that is exact; elsewhere a busy machine may take what it likes.
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
	most := ""
	if slowest.Took > 0 {
		most = fmt.Sprintf("; %v of that for %q", slowest.Took, slowest.Name)
	}
	p.fail(r, "it took %v to stop, want at most %v%s", r.Took, d, most)
}

// NothingStuck expects that every step has obeyed: none was late, abandoned or skipped,
// or still running when a third signal ended the program.
func (p *Program) NothingStuck() {
	p.t.Helper()
	p.none(shutdown.OutcomeLate, shutdown.OutcomeAbandoned, shutdown.OutcomeSkipped)
}

// none expects that no step has one of these outcomes, and that all have ended.
func (p *Program) none(outcomes ...shutdown.Outcome) {
	p.t.Helper()
	r := p.Wait()
	if p.cutShort() {
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

// NothingLeaked expects that no goroutine is left that was not there at Start. What tasks
// and handlers have left behind is named; the rest is found by goleak. What ends a moment
// later is waited for. It looks at the whole process, and cannot tell what tests that run
// in parallel have started: it is not for those; nor what another program of the same test
// starts later. What a third signal has cut short passes: what was running then would have
// ended with the process, and cannot be told from a leak.
func (p *Program) NothingLeaked() {
	p.t.Helper()
	r := p.Wait()
	for _, l := range r.Leaks {
		p.fail(r, "step %q left %d goroutines behind:\n%s", l.Step, l.Count, l.Stack)
	}
	if p.cutShort() || len(r.Leaks) > 0 {
		return // else all would be found again
	}
	if err := goleak.Find(p.before, goleak.IgnoreAnyFunction(exitsElsewhere)); err != nil {
		p.fail(r, "goroutines are left: %v", err)
	}
}

// exitsElsewhere is where a call of Exit is blocked until the process ends: the second that
// the caller of Run has is more than goleak waits.
const exitsElsewhere = "github.com/lastcall-go/lastcall/shutdown.(*Coordinator).letOthersExit"

func (p *Program) fail(r *shutdown.Report, format string, args ...any) {
	p.t.Helper()
	text := r.String()
	if p.cutShort() {
		text += "\nstill running: " + strings.Join(p.ending.running, ", ")
	}
	p.t.Errorf("%s\n%s", fmt.Sprintf(format, args...), indent(text))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
