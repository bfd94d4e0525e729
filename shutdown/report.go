package shutdown

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/signals"
)

// A Report is the record of a stop. It is complete even if the log is not. A Report does not change,
// so several goroutines may read it. Its slices are shared: do not write to them.
type Report struct {
	Cause  error         // why the program stopped; nil only after Quiesce and before the request to stop
	Began  time.Time     // t0
	Took   time.Duration // from t0 to the end of the last step
	Grace  time.Duration // from t0 to the exit, at most; longer than the Coordinator's if the request came late after Quiesce
	Delay  time.Duration // the delay in effect
	Forced bool          // whether there was a second signal
	Steps  []Step        // in the order in which they began
	Leaks  []Leak        // goroutines that tasks and handlers left behind; they are no failures

	// MoreFailures is the number of failures before t0 of tasks with group.MayFail that Steps does
	// not have. Steps has the first 100.
	MoreFailures int

	fault      *failure       // the cause, if it counts as a failure
	mainCode   int            // the code of the *ExitError that main returned
	panicked   bool           // main panicked
	code       int            // the code given to Exit
	raise      *signals.Error // the signal by which the process ends after a clean stop
	mainBudget time.Duration  // main's budget; 0 if main returned by itself
	allOK      int            // len(Steps) if no step has failed, so that nobody has to search a million steps
}

// A failure is a cause that counts as a failure. The code of an *ExitError in it is taken when the
// failure is made: at the end of the process no method of an error is called, since it may block.
type failure struct {
	err  error
	code int
}

func newFailure(err error) *failure { return &failure{err, exitCode(err)} }

// A Step is the record of a step: main, a task, a hold or a handler.
type Step struct {
	Kind    StepKind
	Name    string
	Site    string        // the file and line at which it was registered
	Start   time.Duration // since t0: when its time began, see StepBegan; negative if a Close began it, or it failed, before t0
	Took    time.Duration // from Start until it ended or was abandoned
	Outcome Outcome
	Err     error  // nil if OutcomeOK
	Stack   string // the stack of a panic, or of all its goroutines if it did not end in time
	Status  string // the status that it has set, see SetStatus, and the text of an error that is no failure
	// WaitsFor says in one line what the step waits for or, if the step has returned, the goroutines
	// that it has left running. It is set if the step did not return by its deadline, or failed
	// after a second signal. It is empty if nothing is known.
	WaitsFor string
	// Restarts is how often a task with group.Restart was called again, or was about to be when the
	// stop began. LastErr is the last of the failures before that. They are no failures of the program.
	Restarts int
	LastErr  error
}

// A Leak describes goroutines that a task or a handler has started and left behind. Goroutines of
// one step with different stacks are several leaks.
type Leak struct {
	Step  string // the name of the step
	Count int    // the number of goroutines with this stack
	Stack string // where they wait or run
}

// A StepKind is the kind of a step.
type StepKind int

// The kinds of steps.
const (
	KindMain    StepKind = iota // the function given to Main or Run
	KindTask                    // a task of a group, or of Start
	KindHold                    // work of Hold or Go
	KindHandler                 // a function given to Register
)

var kinds = [...]string{"main", "task", "hold", "handler"}

// String returns the kind in lower case.
func (k StepKind) String() string { return text(kinds[:], int(k), "StepKind") }

// MarshalText returns the text of String.
func (k StepKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// An Outcome is how a step ended. All but OutcomeOK are failures.
type Outcome int

// The outcomes of steps.
const (
	OutcomeOK        Outcome = iota
	OutcomeFailed            // it returned an error
	OutcomePanicked          // its Err is a *group.PanicError
	OutcomeGoexited          // it called runtime.Goexit; its Err is group.ErrGoexit
	OutcomeLate              // it returned at its deadline or later, or its deadline cut its work short: see ErrGrace
	OutcomeAbandoned         // it had not returned at the end of its budget; its Err is a *group.StuckError
	OutcomeSkipped           // it was not called, since no time was left
)

var outcomes = [...]string{"ok", "failed", "panicked", "goexited", "late", "abandoned", "skipped"}

// String returns the outcome in lower case.
func (o Outcome) String() string { return text(outcomes[:], int(o), "Outcome") }

// MarshalText returns the text of String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

func text(names []string, i int, kind string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, i)
	}
	return names[i]
}

// joinStatus returns the Status of a step: its status and the text of an excused error.
func joinStatus(status, said string) string {
	if status == "" || said == "" {
		return status + said
	}
	return status + "; " + said
}

// Report returns the report so far, with the steps that are over: each call returns a new one. It
// returns nil before t0. When the Coordinator is Done, the report is final.
func (c *Coordinator) Report() *Report {
	t := c.lock()
	defer t.Unlock()
	switch {
	case c.report != nil:
		return c.report
	case c.t0 == 0:
		return nil
	}
	return c.build()
}

// build makes the report from the steps recorded so far. The lock is held.
func (c *Coordinator) build() *Report {
	for _, n := range c.stuck {
		s := &c.steps[n.Record-1]
		s.Stack, s.WaitsFor = n.Stack(), n.WaitsFor()
	}
	r := &Report{
		Cause: c.cause.err, Began: c.tree.Time(c.t0), Took: c.took,
		Grace: c.end - c.t0, Delay: c.delay, Forced: c.forced, Steps: c.steps, MoreFailures: c.moreEarly, Leaks: c.leaks,
		fault: c.cause.fault, mainCode: c.codes[&c.main], panicked: c.main.Outcome == tree.Panicked, code: c.code, mainBudget: c.mainBudget,
	}
	if c.main.Outcome == tree.Abandoned { // an error that it returns later does not count
		r.mainCode = 0
	}
	if c.Reraise {
		r.raise = c.cause.signal
	}
	if c.phase < finished {
		r.Took = c.tree.Now() - c.t0
	}
	if c.phase < finished || c.unfinished > 0 {
		// Took is negative for a step that is not over. At the end that is a handler of a released
		// scope, for which the program does not wait.
		r.Steps = slices.DeleteFunc(slices.Clone(c.steps), func(s Step) bool { return s.Took < 0 })
	}
	r.Steps = slices.Clip(c.withEarly(r.Steps))
	if c.failures+len(c.early) == 0 {
		r.allOK = len(r.Steps)
	}
	return r
}

// Err returns nil after a clean stop. Otherwise it joins the failures. The first is main's error or
// the error given to Stop. Then come the errors of the other steps, each with the step's name. The
// error of a task is left out if main has returned it.
func (r *Report) Err() error {
	failures := r.failures()
	var errs []error
	for _, s := range failures {
		if s.Kind == KindMain {
			errs = append(errs, s.mainErr())
		}
	}
	if r.fault != nil && !contains(errs, r.fault.err) {
		errs = append(errs, r.fault.err)
	}
	told := errs[:len(errs):len(errs)]
	for _, s := range failures {
		if s.Kind != KindMain && (s.Kind != KindTask || !s.isIn(told)) {
			errs = append(errs, &stepError{s.Kind, s.Name, s.Site, s.Err})
		}
	}
	if more := r.MoreFailures - countedIn(told); more > 0 {
		errs = append(errs, fmt.Errorf("%s before the stop", plural(more, "more failure")))
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// failures returns the steps that failed.
func (r *Report) failures() (failures []*Step) {
	if r.allOK == len(r.Steps) {
		return nil
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Outcome != OutcomeOK {
			failures = append(failures, s)
		}
	}
	return failures
}

// mainErr returns the error of main, with main's name if the drain has made the error.
func (s *Step) mainErr() error {
	if s.Outcome == OutcomeFailed || s.Outcome == OutcomePanicked {
		return s.Err
	}
	return &stepError{s.Kind, s.Name, s.Site, s.Err}
}

// contains reports whether the very error err is in the tree of one of errs.
func contains(errs []error, err error) bool {
	return slices.ContainsFunc(errs, func(e error) bool { return tree.In(e, err) })
}

// countedIn returns how many failures the groups whose errors are in errs only count.
func countedIn(errs []error) (n int) {
	for _, err := range errs {
		tree.Some(err, func(e error) bool {
			if more, ok := e.(tree.MoreFailures); ok {
				n += int(more)
			}
			return false
		})
	}
	return n
}

// isIn reports whether the failure of the task s is in the tree of one of errs. It compares the
// names as well: another task may have failed with the same error.
func (s *Step) isIn(errs []error) bool {
	return slices.ContainsFunc(errs, func(e error) bool {
		return tree.Some(e, func(e error) bool {
			t, ok := e.(*group.TaskError)
			return ok && t != nil && t.Name == s.Name && tree.In(t.Err, s.Err)
		})
	})
}

// count returns the numbers of failed steps by outcome.
func (r *Report) count() map[Outcome]int {
	n := make(map[Outcome]int)
	for _, s := range r.failures() {
		n[s.Outcome]++
	}
	return n
}

// slowest returns the step that took longest. The time that main waited for its tasks does not
// count, and neither does a step that was over before the stop.
func (r *Report) slowest() (slowest *Step, took time.Duration) {
	slowest = new(Step)
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Start+s.Took < 0 {
			continue
		}
		own := s.Took
		if s.Kind == KindMain {
			own -= r.inTasks(s)
		}
		if own > took {
			slowest, took = s, own
		}
	}
	return slowest, took
}

// inTasks returns how long main waited for the last of its tasks.
func (r *Report) inTasks(main *Step) (waited time.Duration) {
	for i := range r.Steps {
		s := &r.Steps[i]
		if ended := s.Start + s.Took - main.Start; s.Kind == KindTask && s.Start >= main.Start && ended <= main.Took {
			waited = max(waited, ended)
		}
	}
	return waited
}

func (r *Report) clean() bool {
	return r.fault == nil && len(r.failures()) == 0
}

// reraises returns the signal by which the process has to end, nil if there is none.
func (r *Report) reraises() *signals.Error {
	if r.exitCode() == 0 {
		return r.raise
	}
	return nil
}

// ExitCode returns the exit code of the program, the first of these that applies:
//
//   - 2 if main panicked
//   - the code of Exit or of an *ExitError, if it is not 0
//   - 1 if a step failed, or the cause of the stop is a failure
//   - 128 + n if signal n is the cause and Reraise is set
//   - 0
//
// ExitCode calls no method of an error, so it cannot block.
func (r *Report) ExitCode() int {
	if sig := r.reraises(); sig != nil {
		return sig.ExitCode()
	}
	return r.exitCode()
}

func (r *Report) exitCode() int {
	if r.panicked {
		return 2
	}
	codes := []int{r.code, r.mainCode}
	if r.fault != nil {
		codes = append(codes, r.fault.code)
	}
	for _, code := range codes {
		if code != 0 {
			return exitStatus(code)
		}
	}
	if !r.clean() {
		return 1
	}
	return 0
}
