package shutdown

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/step"
	"github.com/lastcall-go/lastcall/signals"
)

// A Report is the record of a stop. It is complete, also where the log is not, and
// does not change any more once the Coordinator is Done.
type Report struct {
	Cause  error         // why the program stopped; nil if main returned nil, or for Stop(nil)
	Began  time.Time     // t0
	Took   time.Duration // from t0 to the end of the last step
	Grace  time.Duration // from t0 to the exit, whatever happens: at least min(2 s, the Coordinator's) after the request
	Delay  time.Duration // in effect
	Forced bool          // by a second signal
	Steps  []Step        // in the order in which they were begun
	Leaks  []Leak        // goroutines that tasks and handlers left behind; no failure

	fault    error // a cause that counts as a failure
	mainErr  error // as returned
	panicked bool  // main
	code     int   // of Exit
	reraise  bool
	allOK    int // so many steps, and none of them has failed: there may be a million to look at
}

// A Step is one thing that had to end: main, a task, a hold or a handler.
type Step struct {
	Kind    StepKind
	Name    string
	Site    string        // the file and line at which it was registered
	Start   time.Duration // since t0, when it was asked to end, or called
	Took    time.Duration // from then until it ended, or was given up
	Outcome Outcome
	Err     error  // nil if OK
	Stack   string // of the panic; of its goroutines, if it did not obey its context
	Status  string // what it said of itself, such as how many requests it has finished
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

// UnmarshalText reads what MarshalText wrote.
func (k *StepKind) UnmarshalText(b []byte) error { return unmarshal(kinds[:], b, k) }

// An Outcome is how a step ended. All but OK are failures.
type Outcome int

// The outcomes of steps.
const (
	OK        Outcome = iota
	Failed            // it returned an error
	Panicked          // its Err is a *group.PanicError
	Goexited          // it called runtime.Goexit; its Err is group.ErrGoexit
	Late              // it returned only after its context had ended
	Abandoned         // it had not returned when it was given up; its Err is a *group.StuckError
	Skipped           // nothing was left of the grace period when its turn came
)

var outcomes = [...]string{"ok", "failed", "panicked", "goexited", "late", "abandoned", "skipped"}

// String is the outcome in lower case.
func (o Outcome) String() string { return text(outcomes[:], int(o), "Outcome") }

// MarshalText is String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Outcome) UnmarshalText(b []byte) error { return unmarshal(outcomes[:], b, o) }

func text(names []string, i int, kind string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, i)
	}
	return names[i]
}

func unmarshal[T ~int](names []string, b []byte, to *T) error {
	i := slices.Index(names, string(b))
	if i < 0 {
		return fmt.Errorf("shutdown: %q is none of %q", b, names)
	}
	*to = T(i)
	return nil
}

// Report is nil before t0. Then it is a snapshot, with the steps that are over; when
// the Coordinator is Done, it is final.
func (c *Coordinator) Report() *Report {
	run := c.lock()
	defer run.Unlock()
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
	for _, s := range c.stuck {
		c.steps[s.Slot-1].Stack = s.Stack()
	}
	r := &Report{
		Cause: c.cause, Began: c.run.Time(c.t0), Took: c.took,
		Grace: c.end - c.t0, Delay: c.delay, Forced: c.forced, Steps: c.steps, Leaks: c.leaks,
		fault: c.fault, mainErr: c.mainErr, panicked: c.panicked, code: c.code, reraise: c.Reraise,
	}
	if c.phase < finished {
		r.Took = c.run.Now() - c.t0
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
	if r.fault != nil && !contains(errs, r.fault) {
		errs = append(errs, r.fault)
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

// failures is the steps that did not end well.
func (r *Report) failures() (failures []*Step) {
	if r.allOK == len(r.Steps) {
		return nil
	}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Outcome != OK {
			failures = append(failures, s)
		}
	}
	return failures
}

// mainErr is what main returned, or what became of it.
func (s *Step) mainErr() error {
	if s.Outcome == Failed || s.Outcome == Panicked {
		return s.Err
	}
	return &stepError{s.Kind, s.Name, s.Site, s.Err}
}

// contains reports whether the very error err is in the tree of one of errs.
func contains(errs []error, err error) bool {
	return slices.ContainsFunc(errs, func(e error) bool { return step.In(e, err) })
}

// isIn reports whether the failure of the task s is in the tree of one of errs. The error
// alone does not tell: another task may have failed with the same.
func (s *Step) isIn(errs []error) bool {
	return slices.ContainsFunc(errs, func(e error) bool {
		return step.Some(e, func(e error) bool {
			t, ok := e.(*group.TaskError)
			return ok && t != nil && t.Name == s.Name && step.In(t.Err, s.Err)
		})
	})
}

func (r *Report) clean() bool {
	return r.fault == nil && len(r.failures()) == 0
}

// reraises is the signal by which the process is to end, nil if it is not to.
func (r *Report) reraises() *signals.Error {
	if r.reraise && r.exitCode() == 0 {
		return find[*signals.Error](r.Cause)
	}
	return nil
}

// ExitCode is 2 if main panicked; else that of Exit or of an *ExitError, if it is not 0;
// else 1 if any step failed; else, with Reraise and a signal as the cause, 128 + n; else
// 0.
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
	for _, code := range []int{r.code, exitCode(r.mainErr), exitCode(r.fault)} {
		if code != 0 {
			return exitStatus(code)
		}
	}
	if !r.clean() {
		return 1
	}
	return 0
}
