package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An instance is a pair of ports, a folder, and the server process that uses them now. One goroutine
// calls its methods. Any goroutine may use ended and died.
type instance struct {
	name    string
	subject *subject
	vars    vars

	wire            // expanded
	args            []string
	ready, executed string

	line  atomic.Pointer[lifeline] // of the process; nil: there is none that can be relied on
	lines []*lifeline
	dead  atomic.Bool
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended; cmd.ProcessState tells how
	died  time.Time     // set before ended is closed
}

// newInstance finds free ports and makes the folder.
func newInstance(s *subject, name, dir string) (*instance, error) {
	i := &instance{name: name, subject: s}
	i.vars.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := freePorts(&i.vars.Port, &i.vars.AdminPort); err != nil {
		return nil, err
	}
	return i, i.expand()
}

func (i *instance) expand() error {
	var errs []error
	expand := func(text string) string {
		s, err := i.vars.expand(text)
		errs = append(errs, err)
		return s
	}
	for _, arg := range i.subject.args {
		i.args = append(i.args, expand(arg))
	}
	i.ready, i.executed = expand(i.subject.ready), expand(i.subject.executed)
	var err error
	i.wire, err = i.subject.expand(i.vars)
	return errors.Join(append(errs, err)...)
}

// ports has those that were given to instances of this process.
var ports struct {
	sync.Mutex
	given map[int]bool
}

// freePorts finds ports that nobody uses. They are below those that systems take for outgoing
// connections: one of the many connections of a load could have such a port before the server does.
func freePorts(found ...*int) error {
	const low, high, tries = 10_000, 32_000, 1000
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	var err error
	for range tries {
		if len(found) == 0 {
			return nil
		}
		port := low + rand.IntN(high-low)
		if ports.given[port] {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err != nil {
			continue
		}
		l.Close()
		ports.given[port] = true
		*found[0], found = port, found[1:]
	}
	return fmt.Errorf("no free port between %d and %d: %w", low, high, err)
}

func (i *instance) output() string { return filepath.Join(i.vars.Dir, "output") }

// start starts the process. It is killed when ctx ends. Its output goes to a file rather
// than through a pipe, because a slow reader of a pipe would delay the server.
func (i *instance) start(ctx context.Context) error {
	out, err := os.OpenFile(i.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	i.cmd = exec.CommandContext(ctx, i.args[0], i.args[1:]...)
	i.cmd.Env = append(append(os.Environ(), i.vars.env()...), i.subject.env...)
	i.cmd.Stdout, i.cmd.Stderr = out, out
	ownGroup(i.cmd)
	line, err := newLifeline(i.cmd)
	if err != nil {
		return err
	}
	if line != nil {
		i.lines = append(i.lines, line)
		defer line.passed()
	}
	i.line.Store(line)
	if err := i.cmd.Start(); err != nil {
		return err
	}
	i.dead.Store(false)
	i.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // ProcessState tells
		i.died = time.Now()
		i.dead.Store(true)
		close(ended)
	}(i.cmd, i.ended)
	return nil
}

// awaitReady polls until the server is ready, has ended, or took longer than limit.
func (i *instance) awaitReady(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s was not ready within %v: %s", i.name, limit, i.readyText()))
	defer cancel()
	defer func() {
		if l := i.line.Load(); l != nil && l.cut() {
			i.line.Store(nil) // the server has closed it, as some do with all files that they do not know
		}
	}()
	for !i.isReady(ctx) {
		select {
		case <-i.ended:
			return i.endedEarly()
		case <-ctx.Done():
			return i.withOutput(context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (i *instance) readyText() string {
	if i.ready != "" {
		return "no 2xx from " + i.ready
	}
	return "nobody listens for " + i.address()
}

func (i *instance) endedEarly() error {
	return i.withOutput(fmt.Errorf("%s ended by itself: %v", i.name, i.cmd.ProcessState))
}

// withOutput adds the end of the process's output to an error.
func (i *instance) withOutput(err error) error {
	const lines = 10
	out, readErr := os.ReadFile(i.output())
	out = bytes.TrimSpace(out)
	if readErr != nil || len(out) == 0 {
		return err
	}
	all := strings.Split(string(out), "\n")
	return fmt.Errorf("%w; its output ends with\n\t%s", err, strings.Join(all[max(0, len(all)-lines):], "\n\t"))
}

// probes opens a new connection for each readiness check, as kubelets and load balancers do.
var probes = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: insecure()},
	CheckRedirect: noRedirect,
	Timeout:       2 * time.Second,
}

func (i *instance) isReady(ctx context.Context) bool {
	if i.ready == "" {
		return accepts(ctx, i.address())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.ready, nil)
	if err != nil {
		return false
	}
	res, err := probes.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode/100 == 2
}

// accepts connects and hangs up.
func accepts(ctx context.Context, url string) bool { return knock(ctx, url) == nil }

func knock(ctx context.Context, url string) error {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp", hostPort(url))
	if err == nil {
		c.Close()
	}
	return err
}

// hostPort is where to connect for a URL that checkURL has passed.
func hostPort(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
		if port == "" {
			port = u.Scheme // net knows http and https as services
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// terminate sends the signal, waits, and sends SIGKILL after limit. killed reports whether it sent
// SIGKILL.
func (i *instance) terminate(with stopSignal, limit time.Duration) (killed bool, err error) {
	err = i.cmd.Process.Signal(with.number())
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, err
	}
	select {
	case <-i.ended:
		return false, nil
	case <-time.After(limit):
		i.kill()
		return true, nil
	}
}

// A lifeline has pipes that end with a process.
type lifeline struct{ ours, theirs []*os.File }

// close closes the drill's ends.
func (l *lifeline) close() {
	for _, f := range l.ours {
		f.Close()
	}
}

// passed closes the other ends, when the process has been started.
func (l *lifeline) passed() {
	for _, f := range l.theirs {
		f.Close()
	}
}

// gone reports whether the process has ended or is ending.
func (i *instance) gone() bool {
	l := i.line.Load()
	return i.dead.Load() || l != nil && l.cut()
}

// kill ends the process, if there is one, and the processes that it started, and waits for it.
func (i *instance) kill() {
	if i.ended == nil {
		return
	}
	killGroup(i.cmd)
	<-i.ended
	for _, l := range i.lines {
		l.close()
	}
	i.lines = nil
}

// status describes how the process ended, and whether that counts as success: with status 0, by
// the signal, or with the number by which shells and virtual machines report it. Lost requests
// are counted elsewhere.
func (i *instance) status(with stopSignal) (text string, good bool) {
	state, sig := i.cmd.ProcessState, with.number()
	terminated := state.ExitCode() == 128+int(sig) || state.String() == "signal: "+sig.String()
	return state.String(), state.Success() || terminated
}
