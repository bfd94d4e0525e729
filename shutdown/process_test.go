package shutdown_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/internal/emulated"
	"github.com/lastcall-go/lastcall/shutdown"
)

// The tests in the process files need a process of their own, for exit statuses, signals and stuck
// system calls. Each runs this test binary again as a child. An environment variable names the
// scenario that the child plays.

// stepGrace is the grace period of the programs whose steps call the Coordinator.
const stepGrace = 10 * time.Second

// childVariable names the scenario.
const childVariable = "LASTCALL_TEST_SCENARIO"

// noEnd is the exit status of a child whose scenario returned instead of ending the process.
const noEnd = 99

// maxLife is the time after which a child is killed.
const maxLife = 30 * time.Second

// slack is the time by which a child may be late before a test fails. It is generous because the
// machine may be busy; how late the child was is logged.
const slack = 5 * time.Second

// apart is longer than the time in which two signals count as one.
const apart = 300 * time.Millisecond

// scenarios has the scenarios that children can play.
var scenarios = make(map[string]func())

// scenario adds a scenario.
func scenario(name string, play func()) {
	if _, taken := scenarios[name]; taken {
		panic("two scenarios are called " + name)
	}
	scenarios[name] = play
}

// runChild plays the scenario if this process is a child, and does not return then. TestMain calls
// it first.
func runChild() {
	name := os.Getenv(childVariable)
	if name == "" { // also in a child that is to run a test
		return
	}
	play := scenarios[name]
	if play == nil {
		panic("no scenario is called " + name)
	}
	play()
	os.Exit(noEnd)
}

// say sends a line to the parent, in one write.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// says returns a handler that only says a line.
func says(what string) func(context.Context) error {
	return func(context.Context) error {
		say("%s", what)
		return nil
	}
}

// untilStopped is a main that returns when it is told to stop.
func untilStopped(ctx context.Context) error {
	say("running")
	<-ctx.Done()
	return nil
}

// telling returns a Coordinator that says when it stops.
func telling(grace time.Duration) *shutdown.Coordinator {
	return &shutdown.Coordinator{Grace: grace, Observe: tell}
}

func tell(e shutdown.Event) {
	if _, ok := e.(shutdown.StopRequested); ok {
		say("stopping")
	}
}

// exit ends a child. Before that it says the time since t0, by the child's clock, and sends the
// report.
func exit(c *shutdown.Coordinator, code int) {
	r := c.Report()
	say("exits %d", time.Since(r.Began))
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	say("report %s", b)
	os.Exit(code)
}

// endMain runs main and ends the process as a program does.
func endMain(c *shutdown.Coordinator, main func(context.Context) error) {
	shutdown.SetExit(c, func(code int) { exit(c, code) })
	exit(c, c.Main(main))
}

// A child is a process that plays a scenario.
type child struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err transcript
	began    time.Time
	done     chan struct{} // closed at its end
	ended    time.Time
}

// A change changes how the child is started.
type change func(*child)

// with sets environment variables.
func with(variables ...string) change {
	return func(p *child) { p.cmd.Env = append(p.cmd.Env, variables...) }
}

// start starts a child. It is killed at the end of the test.
func start(t *testing.T, scenario string, changes ...change) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	heedIgnored()
	p := newChild(t, self, scenario)
	for _, c := range changes {
		c(p)
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.watch()
	t.Cleanup(func() { p.kill(); <-p.done })
	return p
}

// heedIgnored catches the signals that are ignored in this process, as in a background job of a
// script, since children would inherit that.
var heedIgnored = sync.OnceFunc(func() {
	const hangup = syscall.Signal(1) // not every system has the name
	for _, sig := range []os.Signal{os.Interrupt, hangup} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
})

func newChild(t *testing.T, executable, scenario string) *child {
	p := &child{t: t, cmd: exec.Command(executable), done: make(chan struct{})}
	temp := emulated.TempDir(t)
	p.cmd.Env = append(os.Environ(),
		childVariable+"="+scenario,
		"TMPDIR="+temp,             // on Unix
		"TMP="+temp,                // on Windows
		"GORACE=atexit_sleep_ms=0", // the race detector would add a second to each exit
	)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.WaitDelay = time.Second
	return p
}

// watch waits for the child, and kills one that does not end by itself.
func (p *child) watch() {
	overdue := time.AfterFunc(maxLife, p.kill)
	defer overdue.Stop()
	_ = p.cmd.Wait() // ProcessState tells
	p.ended = time.Now()
	close(p.done)
}

func (p *child) kill() {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Kill()
	}
}

// expect waits until the child has said a line with this prefix.
func (p *child) expect(line string) {
	p.t.Helper()
	select {
	case <-p.out.seen(line):
	case <-p.done:
		if !p.out.has(line) {
			p.t.Fatalf("ended without saying %q\n%s", line, p)
		}
	}
}

// wait waits for the child's end.
func (p *child) wait() {
	p.t.Helper()
	<-p.done
	if p.took() >= maxLife {
		p.t.Fatalf("did not end by itself\n%s", p)
	}
	if strings.Contains(p.err.String(), "DATA RACE") {
		p.t.Errorf("a data race\n%s", p)
	}
	p.logMargin()
}

// logMargin logs the rest of the grace period, if the child has said when it ended.
func (p *child) logMargin() {
	p.t.Helper()
	text, ok := p.out.after("report ")
	var r report
	if !ok || json.Unmarshal([]byte(text), &r) != nil {
		return
	}
	own, grace := p.ownTime(), time.Duration(r.Grace*float64(time.Second))
	p.t.Logf("exit %v after t0, %v before the end of %v; %v after start", own, grace-own, grace, p.took())
}

// attempt is for tests that a busy machine can spoil: it tries three times, and fails if each
// attempt did.
func attempt(t *testing.T, try func() error) {
	t.Helper()
	var errs []error
	for range 3 {
		err := try()
		if err == nil {
			return
		}
		errs = append(errs, err)
	}
	t.Error(errors.Join(errs...))
}

// exited waits for the end and reports an unexpected exit status.
func (p *child) exited(want int) error {
	p.t.Helper()
	p.wait()
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("exit status = %d (%v), want %d\n%s", got, p.cmd.ProcessState, want, p)
	}
	return nil
}

// exits waits for the end and compares the exit status.
func (p *child) exits(want int) {
	p.t.Helper()
	if err := p.exited(want); err != nil {
		p.t.Error(err)
	}
}

// dies waits for the end, which has to be by this signal.
func (p *child) dies(want syscall.Signal) {
	p.t.Helper()
	p.wait()
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != want {
		p.t.Errorf("ended with %v, want signal %v\n%s", p.cmd.ProcessState, want, p)
	}
}

// said compares the lines that the child has said, without those of the harness.
func (p *child) said(want ...string) {
	p.t.Helper()
	var got []string
	for _, line := range p.out.lines() {
		switch word, _, _ := strings.Cut(line, " "); word {
		case "running", "stopping", "report", "exits":
		default:
			got = append(got, line)
		}
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		p.t.Errorf("said\n%s\nwant\n%s\n%s", g, w, p)
	}
}

// logs checks that the child's standard error has all of these.
func (p *child) logs(parts ...string) {
	p.t.Helper()
	for _, part := range parts {
		if !strings.Contains(p.err.String(), part) {
			p.t.Errorf("standard error does not have %q\n%s", part, p)
		}
	}
}

// within fails if the child's exit was later after t0 than the grace period, by the child's clock.
// The time to start it, and to notice its end, does not count.
func (p *child) within(grace time.Duration) {
	p.t.Helper()
	if own := p.ownTime(); own > grace+slack {
		p.t.Errorf("exit %v after t0, want %v\n%s", own, grace, p)
	}
}

// took returns how long the child has lived.
func (p *child) took() time.Duration { return p.ended.Sub(p.began) }

// ownTime returns the time from t0 to the exit, by the child's clock.
func (p *child) ownTime() time.Duration {
	p.t.Helper()
	text, ok := p.out.after("exits ")
	if !ok {
		p.t.Fatalf("has not said that it exits\n%s", p)
	}
	var d time.Duration
	if _, err := fmt.Sscan(text, (*int64)(&d)); err != nil {
		p.t.Fatal(err)
	}
	return d
}

// A report has the fields of a Report's JSON that tests read.
type report struct {
	Cause    string
	Began    time.Time
	ExitCode int `json:"exit_code"`
	Forced   bool
	Took     float64 `json:"took_seconds"`
	Grace    float64 `json:"grace_seconds"`
	Error    string
	Steps    []reportStep
	Leaks    []struct{ Step, Stack string }
}

type reportStep struct {
	Kind, Name, Site, Outcome, Error, Stack string
	Start                                   float64 `json:"start_seconds"`
	Took                                    float64 `json:"took_seconds"`
}

// report returns the child's report.
func (p *child) report() (r report) {
	p.t.Helper()
	text, ok := p.out.after("report ")
	if !ok {
		p.t.Fatalf("sent no report\n%s", p)
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// step returns the step with this name, which the report must have.
func (p *child) step(name string) reportStep {
	p.t.Helper()
	for _, s := range p.report().Steps {
		if s.Name == name {
			return s
		}
	}
	p.t.Fatalf("the report has no step %q\n%s", name, p)
	return reportStep{}
}

// String returns all that the child has written.
func (p *child) String() string {
	return fmt.Sprintf("standard output:\n%s\nstandard error:\n%s", abridged(p.out.String()), abridged(p.err.String()))
}

func abridged(s string) string {
	const most = 6000
	if len(s) > most {
		return s[:most/2] + "\n[...]\n" + s[len(s)-most/2:]
	}
	return s
}

// A transcript collects what a child writes.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	waiting []sight
}

type sight struct {
	line string
	seen chan struct{}
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	rest := s.waiting[:0]
	for _, w := range s.waiting {
		if s.found(w.line) {
			close(w.seen)
		} else {
			rest = append(rest, w)
		}
	}
	s.waiting = rest
	return len(b), nil
}

func (s *transcript) found(line string) bool {
	return bytes.HasPrefix(s.text.Bytes(), []byte(line)) || bytes.Contains(s.text.Bytes(), []byte("\n"+line))
}

// seen returns a channel that is closed when there is a line with this prefix.
func (s *transcript) seen(line string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := sight{line, make(chan struct{})}
	if s.found(line) {
		close(w.seen)
	} else {
		s.waiting = append(s.waiting, w)
	}
	return w.seen
}

func (s *transcript) has(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found(line)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *transcript) lines() []string {
	text := strings.TrimSuffix(s.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// after returns the rest of the first line with this prefix.
func (s *transcript) after(prefix string) (rest string, ok bool) {
	for _, line := range s.lines() {
		if rest, ok = strings.CutPrefix(line, prefix); ok {
			return rest, true
		}
	}
	return "", false
}

var errTest = errors.New("it went wrong")

// zerologTo returns a logger that writes everything to w.
func zerologTo(w io.Writer) zerolog.Logger { return zerolog.New(w) }
