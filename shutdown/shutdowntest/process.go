package shutdowntest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Build builds a main package with go build, and returns the path of the program. The program is
// removed at the end of the test. pkg is an argument of go build, such as "." or "./cmd/server"; flags
// are flags of go build, such as "-race". If the build fails, Build ends the test or, if t has no
// FailNow, returns an empty path.
func Build(t TB, pkg string, flags ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shutdowntest")
	if err != nil {
		failNow(t, "shutdowntest: %v", err)
		return ""
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	into := dir + string(filepath.Separator) // for a directory, go build writes programs only
	cmd := exec.Command("go", append(append([]string{"build", "-o", into}, flags...), pkg)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		failNow(t, "%v: %v\n%s", cmd, err, out)
		return ""
	}
	made, err := os.ReadDir(dir)
	if err != nil || len(made) != 1 {
		failNow(t, "%v: built %d programs, want 1", cmd, len(made))
		return ""
	}
	return filepath.Join(dir, made[0].Name())
}

// A Process is a program that runs in its own process. Its methods may be called from any goroutine of
// the test.
type Process struct {
	t        TB
	cmd      *exec.Cmd
	output   output
	done     chan struct{}
	began    time.Time
	ended    time.Time
	deadline time.Time // when to end the process because of the deadline of the test; zero: none

	mu        sync.Mutex
	signalled time.Time // when the first signal was sent
	limit     *time.Timer
	overdue   bool
}

// An Exit describes the end of a process.
type Exit struct {
	Code   int           // the exit status; -1 if a signal ended the process
	Signal os.Signal     // the signal that ended the process, or nil; always nil on Windows
	Took   time.Duration // from the first Signal, or from the start if there was none, to the end of the process and its output
	Output string        // the standard output and standard error
}

const (
	maxStop    = time.Minute     // from the last signal to the kill
	endReserve = 5 * time.Second // from the kill to the deadline of the test
	dumpTime   = time.Second     // to print the stacks before the kill
)

// Exec starts a process, and collects its standard output and standard error as Output. If the process
// does not start, Exec ends the test or, if t has no FailNow, returns nil.
//
// The process runs in its own process group, so it does not get Ctrl-C from the terminal. When it has
// ended, the rest of the group is killed, at most a second later. The process does not outlive the
// test. It is killed
//
//   - at the end of the test;
//   - a minute after the last signal to it;
//   - 5 s before the deadline of the test, if t has a Deadline method, as *testing.T has;
//   - on Linux, when the test's process ends in any way.
//
// In the second and the third case the process gets SIGQUIT first, so that a Go program prints the
// stacks of its goroutines, and Wait reports a failure.
func Exec(t TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, done: make(chan struct{})}
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, ok := d.Deadline(); ok {
			p.deadline = at.Add(-endReserve)
		}
	}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.WaitDelay = time.Second // for child processes that have inherited its output
	setGroup(cmd)
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		failNow(t, "shutdowntest: %v", err)
		return nil
	}
	t.Cleanup(func() {
		p.kill()
		<-p.done
		p.limit.Stop()
	})
	return p
}

// run starts the process and waits for its end. It locks its thread, because on Linux the end of the
// thread would end the process.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	p.limit = time.AfterFunc(p.remaining(time.Duration(1<<62)), p.expire)
	started <- nil
	_ = p.cmd.Wait() // ProcessState has the result
	p.ended = time.Now()
	killAll(p.cmd.Process) // the rest of its process group
	close(p.done)
}

// remaining is d, but at most the time until the deadline.
func (p *Process) remaining(d time.Duration) time.Duration {
	if p.deadline.IsZero() {
		return d
	}
	return min(d, max(0, time.Until(p.deadline)))
}

// expire makes a process that has not ended in time print its stacks, and kills it.
func (p *Process) expire() {
	if p.hasEnded() {
		return
	}
	p.mu.Lock()
	p.overdue = true
	p.mu.Unlock()
	dump(p.cmd.Process)
	select {
	case <-time.After(dumpTime):
	case <-p.done:
	}
	p.kill()
}

func (p *Process) kill() {
	if !p.hasEnded() {
		killAll(p.cmd.Process)
	}
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PID returns the process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process. It does nothing if the process has ended. On Windows any
// signal but os.Kill is a failure of the test.
func (p *Process) Signal(sig os.Signal) {
	p.t.Helper()
	p.mu.Lock()
	if p.signalled.IsZero() {
		p.signalled = time.Now()
	}
	p.limit.Reset(p.remaining(maxStop))
	p.mu.Unlock()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("shutdowntest: signal %v: %v", sig, err)
	}
}

// Expect waits until the process has written text. Text that it wrote before the call counts, too.
// Expect has no time limit of its own, except those of Exec. If the process ends before it has
// written text, Expect fails and ends the test, so it has to be called on the test's own goroutine.
func (p *Process) Expect(text string) {
	p.t.Helper()
	select {
	case <-p.output.has(text):
	case <-p.done:
		if out := p.output.String(); !strings.Contains(out, text) {
			failNow(p.t, "the process ended with %v before it wrote %q:\n%s", p.cmd.ProcessState, text, indent(out))
		}
	}
}

// Output returns the standard output and standard error so far.
func (p *Process) Output() string { return p.output.String() }

// Wait waits for the end of the process. It fails the test if the process was killed because it took
// too long.
func (p *Process) Wait() Exit {
	p.t.Helper()
	<-p.done
	p.mu.Lock()
	from, overdue := p.began, p.overdue
	if !p.signalled.IsZero() {
		from = p.signalled
	}
	p.mu.Unlock()
	e := Exit{Code: p.cmd.ProcessState.ExitCode(), Signal: endedBy(p.cmd.ProcessState), Output: p.output.String()}
	e.Took = p.ended.Sub(from)
	if overdue {
		p.t.Errorf("the process did not end by itself, and was killed after %v:\n%s", e.Took, indent(e.Output))
	}
	return e
}

// An output collects what a process writes. It is safe for concurrent use.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	waiting []waiter
}

type waiter struct {
	text []byte
	seen chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	rest := o.waiting[:0]
	for _, w := range o.waiting {
		if bytes.Contains(o.text.Bytes(), w.text) {
			close(w.seen)
		} else {
			rest = append(rest, w)
		}
	}
	o.waiting = rest
	return len(b), nil
}

// has returns a channel that is closed when text has been written.
func (o *output) has(text string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := waiter{[]byte(text), make(chan struct{})}
	if bytes.Contains(o.text.Bytes(), w.text) {
		close(w.seen)
	} else {
		o.waiting = append(o.waiting, w)
	}
	return w.seen
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
