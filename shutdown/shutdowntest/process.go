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

// Build builds a main package with go build, and returns the path of the program, which is
// removed at the end of the test. pkg is a path as go build takes it, such as "." or
// "./cmd/server"; flags are go build's, such as "-race". If it does not build the test
// ends, or, where t has no FailNow, the path is empty.
func Build(t TB, pkg string, flags ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "shutdowntest")
	if err != nil {
		failNow(t, "shutdowntest: %v", err)
		return ""
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	into := dir + string(filepath.Separator) // where go build puts programs, and nothing else
	cmd := exec.Command("go", append(append([]string{"build", "-o", into}, flags...), pkg)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		failNow(t, "%v: %v\n%s", cmd, err, out)
		return ""
	}
	made, err := os.ReadDir(dir)
	if err != nil || len(made) != 1 {
		failNow(t, "%v: it has made %d programs, want one", cmd, len(made))
		return ""
	}
	return filepath.Join(dir, made[0].Name())
}

// A Process is a program that runs as a process of its own. Its methods may be called by
// any goroutine of the test.
type Process struct {
	t        TB
	cmd      *exec.Cmd
	output   output
	done     chan struct{}
	began    time.Time
	ended    time.Time
	deadline time.Time // of the test, zero if there is none

	mu      sync.Mutex
	asked   time.Time // when the first signal was sent
	limit   *time.Timer
	overdue bool
}

// An Exit is how a process has ended.
type Exit struct {
	Code   int           // the exit status; -1 if it was ended by a signal
	Signal os.Signal     // by which it was ended, nil if by none; always nil on Windows
	Took   time.Duration // from the first signal that it was sent, else from its start, to its end and that of its output
	Output string        // what it has written, to standard output and standard error
}

// How long a process has to end after a signal, how long before the deadline of the test
// it is ended in any case, and how long it then has to print its stacks.
const (
	maxStop  = time.Minute
	maxEarly = 5 * time.Second
	forDump  = time.Second
)

// Exec starts a process. Its standard output and standard error become Output. If it does
// not start the test ends, or, where t has no FailNow, it is nil.
//
// What the process has started, as far as that has stayed in its process group, ends with
// it: it is killed when the process has ended, and has then had its output for at most a
// second. The process never outlives the test: it is killed at the test's end; a minute
// after the last signal to it; and, where t has a Deadline, as *testing.T has, 5 s before
// that. In the last two cases Wait says so, with its goroutines. On Linux it dies with the
// test's process, too, however that ends. As a group of its own it does not get the
// terminal's Ctrl-C.
func Exec(t TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, done: make(chan struct{})}
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, ok := d.Deadline(); ok {
			p.deadline = at.Add(-maxEarly)
		}
	}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.WaitDelay = time.Second // for what it has started, and which has its output
	belongToUs(cmd)
	started := make(chan error)
	go p.live(started)
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

// live is the life of the process. It has a thread to itself, whose end would be the
// process's on Linux.
func (p *Process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	p.limit = time.AfterFunc(p.left(time.Duration(1<<62)), p.giveUp)
	started <- nil
	_ = p.cmd.Wait() // ProcessState tells
	p.ended = time.Now()
	killAll(p.cmd.Process) // what it has left behind
	close(p.done)
}

// left is what there is of d until the test's deadline.
func (p *Process) left(d time.Duration) time.Duration {
	if p.deadline.IsZero() {
		return d
	}
	return min(d, max(0, time.Until(p.deadline)))
}

// giveUp ends a process that does not end by itself, and has it say where it is.
func (p *Process) giveUp() {
	if p.over() {
		return
	}
	p.mu.Lock()
	p.overdue = true
	p.mu.Unlock()
	dump(p.cmd.Process)
	select {
	case <-time.After(forDump):
	case <-p.done:
	}
	p.kill()
}

func (p *Process) kill() {
	if !p.over() {
		killAll(p.cmd.Process)
	}
}

func (p *Process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends the process a signal. To one that has ended it does nothing. Windows has no
// signals but os.Kill: any other is an error of the test there.
func (p *Process) Signal(sig os.Signal) {
	p.t.Helper()
	p.mu.Lock()
	if p.asked.IsZero() {
		p.asked = time.Now()
	}
	p.limit.Reset(p.left(maxStop))
	p.mu.Unlock()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("shutdowntest: signal %v: %v", sig, err)
	}
}

// Expect waits until the process has written text. If it ends without, that is an error of
// the test, which ends it where it can: call it on the test's own goroutine.
func (p *Process) Expect(text string) {
	p.t.Helper()
	select {
	case <-p.output.has(text):
	case <-p.done:
		if out := p.output.String(); !strings.Contains(out, text) {
			failNow(p.t, "the process ended with %v, and has not written %q:\n%s", p.cmd.ProcessState, text, indent(out))
		}
	}
}

// Output is what the process has written so far.
func (p *Process) Output() string { return p.output.String() }

// Wait waits for the end of the process. One that had to be killed, because it took too
// long, is an error of the test.
func (p *Process) Wait() Exit {
	p.t.Helper()
	<-p.done
	p.mu.Lock()
	from, overdue := p.began, p.overdue
	if !p.asked.IsZero() {
		from = p.asked
	}
	p.mu.Unlock()
	e := Exit{Code: p.cmd.ProcessState.ExitCode(), Signal: endedBy(p.cmd.ProcessState), Output: p.output.String()}
	e.Took = p.ended.Sub(from)
	if overdue {
		p.t.Errorf("the process did not end by itself, and was killed after %v:\n%s", e.Took, indent(e.Output))
	}
	return e
}

// An output may be written and read at the same time, and waited for.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	waiting []sight
}

type sight struct {
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

// has is closed when text has been written.
func (o *output) has(text string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := sight{[]byte(text), make(chan struct{})}
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
