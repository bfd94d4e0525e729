//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const grace = time.Minute

// A process is the service, run as a process.
type process struct {
	*service
	cmd   *exec.Cmd
	db    string
	ended chan struct{}
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{db: filepath.Join(t.TempDir(), "orders.db"), ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-grace", grace.String(), "-db", p.db)
	p.cmd.Args = append(p.cmd.Args, args...)
	p.cmd.Env = append(os.Environ(), runMain+"=1")
	j := newJournal()
	p.cmd.Stderr = j
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState has the result
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.ended })
	p.service = await(t, j, p.ended)
	p.until(t, "ready", func(st state) bool { return st.Phase == ready })
	return p
}

// terminate sends SIGTERM and waits for the end.
func (p *process) terminate(t *testing.T) (exitCode int) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(grace):
		t.Fatalf("still running after its grace period:\n%s", p.journal)
	}
	return p.cmd.ProcessState.ExitCode()
}

// steps returns those of the names that are steps in the log, in the order in
// which they ended.
func (p *process) steps(names ...string) (order []string) {
	for line := range strings.Lines(p.journal.String()) {
		e := parseEntry([]byte(line))
		if e.Outcome != "" && slices.Contains(names, e.Step) {
			order = append(order, e.Step)
		}
	}
	return order
}

func TestLosesNoConfirmedOrderUnderLoad(t *testing.T) {
	p := startProcess(t)
	l := newLoad(t, p.service)
	l.start()
	p.until(t, "under load", func(st state) bool {
		keptAlive := l.answered.Load() > 2*clients
		return keptAlive && st.InFlight > clients/2 && st.Orders > 10*writers && l.open.Load() == streams
	})

	// Requests in flight now must be among those answered from now on.
	before := l.answered.Load()
	inFlight := p.state(t).InFlight
	if code := p.terminate(t); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, p.journal)
	}
	l.wait()
	if n := l.answered.Load() - before; n < inFlight {
		t.Errorf("%d requests were answered after the signal, but %d had been in flight", n, inFlight)
	}
	p.hasSaved(t, l.orders())
	if diff := cmp.Diff([]string{"http", "db", "admin"}, p.steps("http", "db", "admin")); diff != "" {
		t.Errorf("order of the steps, want -, got +:\n%s\n%s", diff, p.journal)
	}
	t.Logf("%d requests in flight at the signal; %d answered in all, of which %d orders", inFlight, l.answered.Load(), len(l.orders()))
}

// hasSaved opens the database of the process and looks for the orders in want.
func (p *process) hasSaved(t *testing.T, want map[int64]string) {
	t.Helper()
	rows, err := newStore(t, p.db).last(t.Context(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	saved := map[int64]string{}
	for _, o := range rows {
		saved[o.ID] = o.Item
	}
	for id, item := range want {
		if saved[id] != item {
			t.Errorf("order %d is %q in the database, but %q was confirmed", id, saved[id], item)
		}
	}
}

// The test does what the kubelet does for an exec hook: it runs the command, then
// sends SIGTERM.
func TestDelayIsNotRepeatedAfterTheHook(t *testing.T) {
	const delay = 3 * time.Second
	p := startProcess(t, "-delay", delay.String())
	began := time.Now()
	code, out := command("prestop", "-admin", strings.TrimPrefix(p.admin, "http://"))
	if waited := time.Since(began); code != 0 || out != "" || waited < delay {
		t.Errorf("prestop: exit code %d, %q, after %v; want 0, nothing, after %v", code, out, waited, delay)
	}
	if code := p.terminate(t); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, p.journal)
	}
	for line := range strings.Lines(p.journal.String()) {
		var end struct {
			Message string
			Elapsed float64 `json:"elapsed_seconds"` // since the hook
		}
		if json.Unmarshal([]byte(line), &end) == nil && end.Message == "telling main and its tasks to stop" {
			if d := time.Duration(end.Elapsed * float64(time.Second)); d < delay || d >= 2*delay {
				t.Errorf("tasks were told to stop after %v, want one delay of %v", d, delay)
			}
			return
		}
	}
	t.Errorf("the log does not say when tasks were told to stop:\n%s", p.journal)
}

func TestHookWithoutAServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // to find a free port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	if code, out := command("prestop", "-admin", addr); code != 1 || !strings.Contains(out, "does not answer") {
		t.Errorf("exit code %d, %q; want 1 and \"does not answer\"", code, out)
	}
}

func TestPlan(t *testing.T) {
	code, out := command("plan", "-delay", "5s", "-grace", "25s")
	var plan struct {
		Delay float64 `json:"delay_seconds"`
		Drain float64 `json:"drain_seconds"`
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil || code != 0 || plan.Delay != 5 || plan.Drain != 20 {
		t.Errorf("exit code %d, error %v; want a delay of 5 s and a drain of 20 s:\n%s", code, err, out)
	}
}

// deploycheck is tested with this plan: it accepts the manifests in deploy.
func TestThePlanForDeploycheck(t *testing.T) {
	want, err := os.ReadFile("../../cmd/deploycheck/testdata/http-server.json")
	if err != nil {
		t.Fatal(err)
	}
	if code, out := command("plan"); code != 0 || out != string(want) {
		t.Errorf("exit code %d, plan\n%s\nwant\n%s", code, out, want)
	}
}

// command runs the program and returns its exit code and output.
func command(args ...string) (code int, out string) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	text, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(text)
}

func TestBadSettings(t *testing.T) {
	code, out := command("-delay", "soon")
	want := fmt.Sprintf("http-server: invalid value %q for flag -delay: want a duration, such as 25s or 1m30s\n", "soon")
	if code != 2 || out != want {
		t.Errorf("exit code %d, %q; want 2, %q", code, out, want)
	}
}
