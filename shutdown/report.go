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

// A Report is the record of a stop. It is complete, also where the log is not, and
// does not change any more once the Coordinator is Done.
type Report struct {
	Cause  error         // why the program stopped, never nil, but while a stop is only announced, see Quiesce
	Began  time.Time     // t0
	Took   time.Duration // from t0 to the end of the last step
	Grace  time.Duration // from t0 to the exit, whatever happens: at least min(2 s, the Coordinator's) after the request
	Delay  time.Duration // in effect
	Forced bool          // by a second signal
	Steps  []Step        // in the order in which they were begun
	Leaks  []Leak        // goroutines that tasks and handlers left behind; no failure

	fault      *failure       // the cause, if it counts as a failure
	mainCode   int            // of the *ExitError that main returned
	panicked   bool           // main
	code       int            // of Exit
	raise      *signals.Error // by which the process is to end after a clean stop
	mainBudget time.Duration  // what main had to stop; 0 if it had returned
	allOK      int            // so many steps, and none of them has failed: there may be a million to look at
}

// A failure is a cause that counts as one. The code of an *ExitError in it is taken where the
// failure comes from: at the end of the process no method of an error is called, which may
// block.
type failure struct {
	err  error
	code int
}

func newFailure(err error) *failure { return &failure{err, exitCode(err)} }

// A Step is one thing that had to end: main, a task, a hold or a handler.
type Step struct {
	Kind    StepKind
	Name    string
	Site    string        // the file and line at which it was registered
	Start   time.Duration // since t0, when it was told to stop, or called; negative for a handler that was closed before t0 and ended after it
	Took    time.Duration // from then until it ended, or was abandoned
	Outcome Outcome
	Err     error  // nil if OutcomeOK
	Stack   string // of the panic; of its goroutines, if it did not return by its deadline
	Status  string // what it said of itself, such as how many requests it has finished; also by an error that is no failure
	// WaitsFor is what a step that did not return by its deadline waits for, in one line. It is
	// empty where that is not known.
	WaitsFor string
}

// A Leak is goroutines that a task or a handler has started and left behind.
type Leak struct {
	Step  string // the name of the step
	Count int
	Stack string
}

// A StepKind is what a step is.
type StepKind int

// The kinds of steps.
const (
	KindMain StepKind = iota
	KindTask
	KindHold
	KindHandler
)

var kinds = [...]string{"main", "task", "hold", "handler"}

// String is the kind in lower case.
func (k StepKind) String() string { return text(kinds[:], int(k), "StepKind") }

// MarshalText is String.
func (k StepKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// An Outcome is how a step ended. All but OutcomeOK are failures.
type Outcome int

// The outcomes of steps.
const (
	OutcomeOK        Outcome = iota
	OutcomeFailed            // it returned an error
	OutcomePanicked          // its Err is a *group.PanicError
	OutcomeGoexited          // it called runtime.Goexit; its Err is group.ErrGoexit
	OutcomeLate              // it returned after its deadline
	OutcomeAbandoned         // it had not returned at its end; its Err is a *group.StuckError
	OutcomeSkipped           // no time was left in the grace period when its turn came
)

var outcomes = [...]string{"ok", "failed", "panicked", "goexited", "late", "abandoned", "skipped"}

// String is the outcome in lower case.
func (o Outcome) String() string { return text(outcomes[:], int(o), "Outcome") }

// MarshalText is String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

func text(names []string, i int, kind string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, i)
	}
	return names[i]
}

// andSaid is the Status of a step, with what an excused error of it said.
func joinStatus(status, said string) string {
	if status == "" || said == "" {
		return status + said
	}
	return status + "; " + said
}

// Report is nil before t0. Then it is a snapshot, with the steps that are over; when
// the Coordinator is Done, it is final.
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

// build makes the report from what there is. The lock is held.
func (c *Coordinator) build() *Report {
	for _, n := range c.stuck {
		s := &c.steps[n.Record-1]
		s.Stack, s.WaitsFor = n.Stack(), n.WaitsFor()
	}
	r := &Report{
		Cause: c.cause.err, Began: c.tree.Time(c.t0), Took: c.took,
		Grace: c.end - c.t0, Delay: c.delay, Forced: c.forced, Steps: c.steps, Leaks: c.leaks,
		fault: c.cause.fault, mainCode: c.codes[&c.main], panicked: c.main.Outcome == tree.Panicked, code: c.code, mainBudget: c.mainBudget,
	}
	if c.main.Outcome == tree.Abandoned { // what it returns later is not its result
		r.mainCode = 0
	}
	if c.Reraise {
		r.raise = c.cause.signal
	}
	if c.phase < finished {
		r.Took = c.tree.Now() - c.t0
	}
	if c.phase < finished || c.unfinished > 0 {
		// One that is not over takes a negative time. At the end, it is of a scope that
		// was released, and runs although the program does not wait for it.
		r.Steps = slices.DeleteFunc(slices.Clone(c.steps), func(s Step) bool { return s.Took < 0 })
	}
	r.Steps = slices.Clip(r.Steps)
	if c.failures == 0 {
		r.allOK = len(r.Steps)
	}
	return r
}

// Err is nil if everything went well. Otherwise it joins the failures: main's first,
// or the cause of Stop, then those of the other steps, each with its name. What main
// returned of its tasks is not repeated.
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
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// failures are the steps that failed.
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

// mainErr is what main returned, or what became of it.
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

// isIn reports whether the failure of the task s is in the tree of one of errs. The error
// alone does not tell: another task may have failed with the same.
func (s *Step) isIn(errs []error) bool {
	return slices.ContainsFunc(errs, func(e error) bool {
		return tree.Some(e, func(e error) bool {
			t, ok := e.(*group.TaskError)
			return ok && t != nil && t.Name == s.Name && tree.In(t.Err, s.Err)
		})
	})
}

// count is the number of steps by outcome, but for those that are OK.
func (r *Report) count() map[Outcome]int {
	n := make(map[Outcome]int)
	for _, s := range r.failures() {
		n[s.Outcome]++
	}
	return n
}

// slowest is the step that took longest.
func (r *Report) slowest() (slowest *Step, took time.Duration) {
	slowest = new(Step)
	for i := range r.Steps {
		s := &r.Steps[i]
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

// inTasks is how long main waited for the last of its tasks.
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

// reraises is the signal by which the process is to end, nil if it is not to.
func (r *Report) reraises() *signals.Error {
	if r.exitCode() == 0 {
		return r.raise
	}
	return nil
}

// ExitCode is 2 if main panicked; else that of Exit or of an *ExitError, if it is not 0;
// else 1 if any step failed; else, with Reraise and a signal as the cause, 128 + n; else
// 0. It calls no methods of errors.
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
