package campaign

import (
	"fmt"
	"strings"
	"time"
)

// A program is one run of the campaign. It is plain data, so that it can be made smaller and printed.
type program struct {
	Seed    uint64
	Grace   time.Duration
	Delay   time.Duration
	Reraise bool
	Alone   bool     // it has no main: nobody calls Run, and Shutdown drains it
	Ctx     *strange // of Run, or Shutdown
	Main    *actor
	Group   *strange // the context of main's group
	Pool    bool     // main's group is Concurrent
	Warms   bool     // main or tasks have a Warmup, that of main is the Coordinator's
	Fails   bool     // tasks have MayFail or Restart
	Tasks   []*actor // of main's group; without any there is none
	Holds   []*actor // begun by main
	Stack   []*entry // in the order of registration
	Events  []*event
}

// An entry of a stack is a handler, a task that is started on the Coordinator, or a scope.
type entry struct {
	Actor      *actor // nil: a scope
	Started    bool
	Concurrent bool
	Timeout    time.Duration // of a scope
	Reserve    time.Duration
	Entries    []*entry
}

// An actor is the function of a step.
type actor struct {
	Name    string
	Does    act
	For     time.Duration // how long it takes after it is called or told to stop
	Alone   time.Duration // of main and tasks: the longest time that it waits to be told to stop; 0: no limit
	Way     int           // of being stuck, or panicking
	Code    int
	Timeout time.Duration
	Reserve time.Duration
	Mild    bool          // of a task: MayFinish
	MayFail bool          // of a task
	Again   *again        // of a task: Restart
	Warm    time.Duration // of main and tasks: Warmup; negative: without a limit
	Up      time.Duration // when it calls Started, after its beginning; 0: it does not
	Pair    bool          // of a task: two functions; the second does everything when the task is told to stop, the first may return alone
	Bare    bool          // of a hold: Hold, not Go
	Within  time.Duration // the deadline of a context that it makes; 0: none
	Inner   *inner        // of a task: it runs a group of tasks, and does nothing else
	Sub     *actor        // what it registers or begins
	Scope   *entry        // what it makes
	Program *program      // what it runs, on a Coordinator of its own
	Ctx     *strange      // of the call that it makes
}

// An inner is a group within another one.
type inner struct {
	Pool  bool
	Ctx   *strange
	Tasks []*actor
}

// does sets an act of a that needs no other fields.
func (a *actor) does(what act) { a.Does, a.Sub, a.Scope, a.Program = what, nil, nil, nil }

type act int

const (
	returns     act = iota // after For, whatever its context says
	obeys                  // after For, or when its context ends, with the error of the context
	fails                  // after For
	panics                 // after For
	goexits                // after For
	deaf                   // for ever
	leaks                  // leaves a goroutine behind, and returns after For
	exits                  // calls Exit with Code after For
	codes                  // returns an ExitError with Code after For
	stops                  // calls Stop, returns after For
	shutsDown              // calls Shutdown, returns after For
	registers              // registers Sub on the Coordinator, returns after For
	spawns                 // begins Sub with Go or Hold, returns after For
	quiesces               // calls Quiesce, returns after For
	closes                 // closes a handler or a scope, returns after For
	unregisters            // takes a handler away, returns after For
	asks                   // asks for the report, returns after For
	hands                  // calls the function that Release returned, returns after For
	shuts                  // shuts a task down, perhaps itself, returns or fails after For
	runs                   // runs Program, returns or fails after For
	shutsInner             // shuts down the program of another, returns after For
	makes                  // makes Scope, closes or releases it or leaves it to others, returns after For
)

var acts = [...]string{
	"returns", "obeys", "fails", "panics", "goexits", "deaf", "leaks", "exits", "codes",
	"stops", "shutsDown", "registers", "spawns", "quiesces", "closes", "unregisters", "asks", "hands", "shuts",
	"runs", "shutsInner", "makes",
}

func (a act) String() string { return acts[a] }

// An event is something that happens beside the steps.
type event struct {
	At     time.Duration
	What   what
	N      int           // which handler, scope or task; which cause, signal or code
	Sub    *actor        // the step that is registered or begun
	Scope  *entry        // what is made
	Within time.Duration // of a context: its deadline; 0: none
	Ctx    *strange
}

type what int

const (
	signalled what = iota
	stopped
	cancelled
	quiesced
	resumed
	registered
	unregistered
	closedHandler
	closedScope
	releasedScope
	handedOver
	shutTask
	begun
	exited
	shutDown
	addedTask
	looked
	made
)

var whats = [...]string{
	"signal", "Stop", "the context ends", "Quiesce", "Resume", "Register", "Unregister", "Registration.Close",
	"Scope.Close", "Scope.Release", "what Release has returned", "Task.Shutdown", "Go", "Exit", "Shutdown", "Group.Go", "Report",
	"Scope",
}

func (w what) String() string { return whats[w] }

// String is the program, one line an element.
func (p *program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: Grace %v, Delay %v", p.Seed, p.Grace, p.Delay)
	if p.Reraise {
		b.WriteString(", Reraise")
	}
	fmt.Fprintf(&b, "%v", p.Ctx)
	if p.Group != nil {
		fmt.Fprintf(&b, ", main's group%v", p.Group)
	}
	if p.Alone {
		b.WriteString(", without a Run\n")
	} else {
		fmt.Fprintf(&b, "\n  main %v\n", p.Main)
	}
	for _, a := range p.Tasks {
		fmt.Fprintf(&b, "  task %v%s\n", a, ifelse(p.Pool, ", concurrent", ""))
	}
	for _, a := range p.Holds {
		fmt.Fprintf(&b, "  hold %v\n", a)
	}
	for _, e := range p.Stack {
		e.write(&b, "  ")
	}
	for _, e := range p.Events {
		fmt.Fprintf(&b, "  %v: %v %d", e.At, e.What, e.N)
		if e.Within != 0 {
			fmt.Fprintf(&b, ", within %v", e.Within)
		}
		fmt.Fprintf(&b, "%v", e.Ctx)
		if e.Sub != nil {
			fmt.Fprintf(&b, " %v", e.Sub)
		}
		b.WriteString("\n")
		if e.Scope != nil {
			e.Scope.write(&b, "    ")
		}
	}
	return b.String()
}

func (e *entry) write(b *strings.Builder, indent string) {
	if e.Actor != nil {
		fmt.Fprintf(b, "%s%s %v\n", indent, ifelse(e.Started, "started", "handler"), e.Actor)
		return
	}
	fmt.Fprintf(b, "%sscope%s%s\n", indent, ifelse(e.Concurrent, ", concurrent", ""), terms(e.Timeout, e.Reserve))
	for _, inner := range e.Entries {
		inner.write(b, indent+"  ")
	}
}

func (a *actor) String() string {
	text := fmt.Sprintf("%s: %v", a.Name, a.Does)
	if a.For != 0 {
		text += fmt.Sprintf(" for %v", a.For)
	}
	if a.Alone != 0 {
		text += fmt.Sprintf(", alone after %v", a.Alone)
	}
	if a.Does == exits || a.Does == codes {
		text += fmt.Sprintf(", code %d", a.Code)
	}
	if a.Does == deaf || a.Does == panics {
		text += fmt.Sprintf(", way %d", a.Way)
	}
	switch a.Does {
	case closes, unregisters, hands, shuts, runs, shutsInner, makes:
		text += fmt.Sprintf(", way %d, code %d, within %v", a.Way, a.Code, a.Within)
	}
	if r := a.Again; r != nil {
		text += fmt.Sprintf(", Restart %+v, the first %d calls fail after %v", r.Policy, r.Tries, r.Lasts)
	}
	text += ifelse(a.Mild, ", MayFinish", "") + ifelse(a.MayFail, ", MayFail", "") + ifelse(a.Pair, ", a pair", "") + ifelse(a.Bare, ", bare", "")
	if a.Warm != 0 {
		text += fmt.Sprintf(", Warmup %v, started after %v", a.warmup(), a.Up)
	}
	text += terms(a.Timeout, a.Reserve) + a.Ctx.String()
	if a.Sub != nil {
		text += fmt.Sprintf(" (%v)", a.Sub)
	}
	if a.Program != nil {
		text += " {" + strings.ReplaceAll(a.Program.String(), "\n", "\n    ") + "}"
	}
	if a.Scope != nil {
		var b strings.Builder
		a.Scope.write(&b, "")
		text += fmt.Sprintf(" (%s)", strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", ";"))
	}
	if a.Inner != nil {
		text += fmt.Sprintf(", group%s %v", ifelse(a.Inner.Pool, ", concurrent", "")+a.Inner.Ctx.String(), a.Inner.Tasks)
	}
	return text
}

func terms(timeout, reserve time.Duration) (text string) {
	if timeout != 0 {
		text += fmt.Sprintf(", Timeout %v", timeout)
	}
	if reserve != 0 {
		text += fmt.Sprintf(", Reserve %v", reserve)
	}
	return text
}

func ifelse[T any](c bool, yes, no T) T {
	if c {
		return yes
	}
	return no
}

const (
	ms = time.Millisecond
	s  = time.Second
)
