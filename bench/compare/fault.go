package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The limits of the children.
const (
	bound       = time.Second            // for the whole stop, where a library can be given one
	patience    = 3 * time.Second        // after that the child is killed
	betweenSigs = 300 * time.Millisecond // further apart than duplicates are
	unasked     = 700 * time.Millisecond // by then a fault that needs no signal has happened
	atOnce      = 4                      // children; most of them only wait
)

// A fault is the misbehaviour of the second of three handlers or tasks.
type fault struct {
	name    string
	title   string
	does    string
	signals int           // the number of SIGTERMs
	after   time.Duration // from the start to the first of them
	wants   string        // a handler or task that should run too, "" if none
	polite  bool          // it is not a failure
}

var handlerFaults = []fault{
	{name: "slow", title: "A slow handler in the middle", does: "It needs 10 s, but returns when its context ends.", signals: 1},
	{name: "panic", title: "A handler panics", signals: 1},
	{name: "goexit", title: "A handler calls runtime.Goexit", does: "As t.FailNow does.", signals: 1},
	{name: "stuck", title: "A handler is stuck", does: "It ignores its context and waits for a mutex that nobody unlocks.", signals: 1},
	{name: "register", title: "A handler registers another", signals: 1, wants: "late", polite: true},
	{name: "sigterm", title: "A handler is stuck, and there are three SIGTERMs", does: "The SIGTERMs come 0.3 s apart.", signals: 3},
}

var taskFaults = []fault{
	{name: "slow", title: "A task takes its time to stop", does: "It returns 0.3 s after it was told to stop.", signals: 1, polite: true},
	{name: "deaf", title: "A task is deaf", does: "It ignores its context and waits for a mutex that nobody unlocks.", signals: 1},
	{name: "panic", title: "A task panics", does: "The SIGTERM comes 0.7 s after the start.", signals: 1, after: unasked},
	{name: "goexit", title: "A task calls runtime.Goexit", does: "The SIGTERM comes 0.7 s after the start.", signals: 1, after: unasked},
	{name: "add", title: "A task adds another while all run", does: "The SIGTERM comes 0.7 s after the start.", signals: 1, after: unasked, wants: "late", polite: true},
	{name: "sigterm", title: "A task is deaf, and there are three SIGTERMs", does: "The SIGTERMs come 0.3 s apart.", signals: 3},
}

// The names of the three handlers or tasks. The output of the process is searched for the name of
// the culprit, which is also the name of its type and occurs nowhere else.
const (
	culprit = "ledger"
	newest  = "listener"
	oldest  = "database"
)

// An outcome is the end of a child, as its parent saw it.
type outcome struct {
	Ended   []string      // in this order; of handlers, those that ran
	Extra   bool          // the handler or task of wants has run
	Again   bool          // the culprit was started again
	Asked   bool          // it did not end before the first signal
	Took    time.Duration // from the first signal, or from the beginning if it ended before that
	Killed  bool
	Status  string
	Failure bool // the exit status is that of a failure
	Named   bool
	output  string
}

// others returns how many of the two others have ended.
func (o *outcome) others() (n int) {
	for _, name := range o.Ended {
		if name == newest || name == oldest {
			n++
		}
	}
	return n
}

// putTo starts a child with a library and a fault, and watches it.
func (f fault) putTo(kind, library string) (*outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, childArg, kind, library, f.name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// This ends the child in any case.
	killer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	o := &outcome{}
	w := watch{fault: f, outcome: o, process: cmd.Process}
	w.follow(stdout)
	err = cmd.Wait()
	w.end(time.Now())
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	if w.began.IsZero() {
		return nil, fmt.Errorf("%s, %s: the child did not begin: %v\n%s", library, f.name, err, stderr.String())
	}
	o.judge(cmd.ProcessState, stderr.String())
	return o, nil
}

// A watch reads the output of a child and sends the signals.
type watch struct {
	fault
	*outcome
	process *os.Process

	mu       sync.Mutex
	began    time.Time
	signaled time.Time
	timers   []*time.Timer
}

// follow returns when the child has closed its standard output.
func (w *watch) follow(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		w.hear(lines.Text())
	}
}

func (w *watch) hear(line string) {
	word, name, _ := strings.Cut(line, " ")
	switch {
	case word == "ready":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.began = time.Now()
		for n := range w.signals {
			w.timers = append(w.timers, time.AfterFunc(w.after+time.Duration(n)*betweenSigs, w.signal))
		}
		w.timers = append(w.timers, time.AfterFunc(w.after+patience, w.kill))
	case word == "ended" && name == w.wants:
		w.Extra = true
	case word == "ended":
		w.Ended = append(w.Ended, name)
	case word == "again":
		w.Again = true
	}
}

func (w *watch) signal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signaled.IsZero() {
		w.signaled = time.Now()
	}
	_ = w.process.Signal(syscall.SIGTERM)
}

func (w *watch) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Killed = true
	_ = w.process.Kill()
}

func (w *watch) end(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.timers {
		t.Stop()
	}
	if w.Asked = !w.signaled.IsZero(); w.Asked {
		w.Took = now.Sub(w.signaled)
	} else {
		w.Took = now.Sub(w.began)
	}
}

// judge sets the fields that follow from the exit status and the output.
func (o *outcome) judge(state *os.ProcessState, output string) {
	o.output = output
	o.Named = strings.Contains(output, culprit)
	o.Status = state.String()
	o.Failure = !state.Success()
}

// A verdict lists the points in which an outcome is better or worse than lastcall's.
type verdict struct{ better, worse []string }

// aLittle is a difference in time that does not count.
const aLittle = 250 * time.Millisecond

func (o *outcome) beside(ours *outcome, f fault) (v verdict) {
	compare := func(what string, better, worse bool) {
		switch {
		case better && !worse:
			v.better = append(v.better, what)
		case worse && !better:
			v.worse = append(v.worse, what)
		}
	}
	compare("others", o.others() > ours.others(), o.others() < ours.others())
	if f.wants != "" {
		compare("added", o.Extra, ours.Extra)
	}
	compare("ends", !o.Killed, !ours.Killed)
	if !f.polite {
		compare("named", o.Named, ours.Named)
	}
	switch {
	case o.Killed || ours.Killed:
	case o.Again:
		compare("restarts it", true, ours.Again) // so there is no failure, and no reason to end
	case o.Asked != ours.Asked: // their times are counted from different moments
		compare("goes on", f.polite && o.Asked, f.polite && ours.Asked)
		compare("noticed", !f.polite && ours.Asked, !f.polite && o.Asked)
		compare("status", !f.polite && o.Failure, !f.polite && ours.Failure)
	default:
		compare("status", !f.polite && o.Failure, !f.polite && ours.Failure)
		compare("sooner", o.Took < ours.Took-aLittle, o.Took > ours.Took+aLittle)
	}
	return v
}

// A trial is one fault, given to every library.
type trial struct {
	fault
	libraries []string // lastcall first
	outcomes  map[string]*outcome
}

// try gives all faults to all libraries.
func try(ctx context.Context, kind string, faults []fault, libraries []string, progress func(string)) ([]*trial, error) {
	var trials []*trial
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	slots := make(chan struct{}, atOnce)
	for _, f := range faults {
		t := &trial{f, libraries, make(map[string]*outcome)}
		trials = append(trials, t)
		for _, library := range libraries {
			slots <- struct{}{}
			if ctx.Err() != nil {
				<-slots
				break
			}
			progress("faults of " + kind + ", " + f.name + ", " + library)
			all.Go(func() {
				defer func() { <-slots }()
				o, err := f.putTo(kind, library)
				mu.Lock()
				defer mu.Unlock()
				t.outcomes[library] = o
				failed = errors.Join(failed, err)
			})
		}
	}
	all.Wait()
	return trials, errors.Join(failed, context.Cause(ctx))
}

// The functions below run in the children.

// say tells the parent.
func say(what ...string) { fmt.Println(strings.Join(what, " ")) }

// misbehave is the fault of a handler or a task. Its caller is in the traceback.
func (l *ledger) misbehave() error {
	switch l.fault {
	case "panic":
		panic("something is wrong")
	case "goexit":
		runtime.Goexit()
	case "stuck", "deaf", "sigterm":
		var mu sync.Mutex
		mu.Lock()
		mu.Lock()
	case "register":
		l.more("late", ended("late"))
	}
	return nil
}

// ended returns a handler that does nothing but say so.
func ended(name string) func(context.Context) error {
	return func(context.Context) error {
		say("ended", name)
		return nil
	}
}

// leave ends the child like a program that logs its error.
func leave(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
	os.Exit(0)
}
