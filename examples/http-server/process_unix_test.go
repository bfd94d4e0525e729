//go:build unix

package main

import (
	"fmt"
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

// process is the service in a process of its own.
type process struct {
	*service
	cmd   *exec.Cmd
	db    string
	ended chan struct{}
}

func startProcess(t *testing.T) *process {
	t.Helper()
	p := &process{db: filepath.Join(t.TempDir(), "orders.db"), ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-grace", grace.String(), "-db", p.db)
	p.cmd.Env = append(os.Environ(), runMain+"=1")
	j := newJournal()
	p.cmd.Stderr = j
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState tells
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.ended })
	p.service = await(t, j, p.ended)
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
		t.Fatalf("runs on after its grace period:\n%s", p.journal)
	}
	return p.cmd.ProcessState.ExitCode()
}

// steps returns the names of the steps that the log says have ended, in order,
// as far as they are among those given.
func (p *process) steps(names ...string) (order []string) {
	for line := range strings.Lines(p.journal.String()) {
		e := parseEntry([]byte(line))
		if e.Outcome != "" && slices.Contains(names, e.Step) {
			order = append(order, e.Step)
		}
	}
	return order
}

func TestNothingThatWasConfirmedIsLostUnderLoad(t *testing.T) {
	p := startProcess(t)
	l := newLoad(t, p.service)
	l.start()
	p.until(t, "under load", func(st state) bool {
		keptAlive := l.answered.Load() > 2*clients
		return keptAlive && st.InFlight > clients/2 && st.Orders > 10*writers && l.open.Load() == streams
	})

	// What is in a handler now is answered later than now.
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
		t.Errorf("order of the end, want -, got +:\n%s\n%s", diff, p.journal)
	}
	t.Logf("%d requests in flight at the signal; %d answered in all, of which %d orders", inFlight, l.answered.Load(), len(l.orders()))
}

// hasSaved opens the file that the process has left.
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

func TestBadSettingsAreSaidAtOnce(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-delay", "soon")
	cmd.Env = append(os.Environ(), runMain+"=1")
	out, _ := cmd.CombinedOutput()
	want := fmt.Sprintf("http-server: invalid value %q for flag -delay: want a duration, such as 25s or 1m30s\n", "soon")
	if code := cmd.ProcessState.ExitCode(); code != 2 || string(out) != want {
		t.Errorf("exit code %d, %q; want 2, %q", code, out, want)
	}
}
