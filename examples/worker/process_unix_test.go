//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// patience bounds waits for things that happen at once unless the machine is overloaded. No test
// concludes anything from how long a wait took.
const patience = 2 * time.Minute

// grace is the grace period of the workers.
const grace = 30 * time.Second

// A process is the program, run as a process.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   journal
	ended chan struct{}
}

// A journal is the log of a process. It may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith starts the program with further environment variables.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(append(os.Environ(), runMain+"=1"), env...)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState has the result
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.ended })
	return p
}

func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// wait waits for the exit and returns the exit code, or -1 if a signal ended the process.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("still running:\n%s", p.log.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// terminate sends SIGTERM and waits for the exit.
func (p *process) terminate() int {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	return p.wait()
}

// says waits until the log contains text.
func (p *process) says(text string) {
	p.t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(p.log.String(), text); {
		if time.Now().After(end) {
			p.t.Fatalf("no %q in the log:\n%s", text, p.log.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// counts are the counts of jobs that a worker logs at its end.
type counts struct {
	Message           string
	Taken, Done, Dead int
	Before            int `json:"done_before"`
	GivenBack         int `json:"given_back"`
	Left              int `json:"left_to_ack_wait"`
	Redone            int `json:"delivered_before"`
}

func (p *process) counts() (c counts) {
	for line := range strings.Lines(p.log.String()) {
		var this counts
		if json.Unmarshal([]byte(line), &this) == nil && this.Message == "jobs" {
			c = this
		}
	}
	return c
}

// A rig is a broker in a process that can be restarted, and a client that looks into the broker.
type rig struct {
	t      *testing.T
	addr   string
	store  string
	broker *process
	js     jetstream.JetStream
}

func newRig(t *testing.T, args ...string) *rig {
	t.Helper()
	r := rigWithoutBroker(t)
	r.startBroker(args...)
	r.connect()
	return r
}

func rigWithoutBroker(t *testing.T) *rig {
	t.Helper()
	return &rig{t: t, addr: freeAddress(t), store: filepath.Join(t.TempDir(), "store")}
}

func (r *rig) connect() {
	r.t.Helper()
	nc, err := nats.Connect(r.url(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	if r.js, err = jetstream.New(nc); err != nil {
		r.t.Fatal(err)
	}
}

// freeAddress returns an address with a port below those that systems give to clients. Otherwise
// a client that reconnects to a stopped broker could get the broker's port.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(15000)))
		if err == nil {
			defer func() { _ = l.Close() }()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

func (r *rig) url() string { return "nats://" + r.addr }

func (r *rig) startBroker(args ...string) {
	r.t.Helper()
	r.broker = start(r.t, append([]string{"-workers", "0", "-listen", r.addr, "-store", r.store}, args...)...)
	r.broker.says("serves other workers")
}

func (r *rig) worker(args ...string) *process {
	r.t.Helper()
	return start(r.t, append([]string{"-nats", r.url(), "-grace", grace.String()}, args...)...)
}

func (r *rig) produce(n int, args ...string) {
	r.t.Helper()
	p := r.worker(append([]string{"-workers", "0", "-batch", "t", "-produce", fmt.Sprint(n)}, args...)...)
	if code := p.wait(); code != 0 {
		r.t.Fatalf("exit code %d:\n%s", code, p.log.String())
	}
}

func (r *rig) publish(id, payload string) {
	r.t.Helper()
	if _, err := r.js.Publish(r.t.Context(), jobs+"."+id, []byte(payload)); err != nil {
		r.t.Fatal(err)
	}
}

// stored returns the number of messages in a stream, or -1 while the broker is gone.
func (r *rig) stored(stream string) int {
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Second)
	defer cancel()
	s, err := r.js.Stream(ctx, stream)
	if err != nil {
		return -1
	}
	return int(s.CachedInfo().State.Msgs)
}

// until waits until a stream has n messages.
func (r *rig) until(stream string, n int) {
	r.t.Helper()
	for end := time.Now().Add(patience); r.stored(stream) != n; {
		if time.Now().After(end) {
			r.t.Fatalf("%s has %d messages, want %d", stream, r.stored(stream), n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// read returns the messages of a stream, by their subjects without the first token.
func (r *rig) read(stream string) map[string][]*jetstream.RawStreamMsg {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream)
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string][]*jetstream.RawStreamMsg{}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		msg, err := s.GetMsg(r.t.Context(), seq)
		if err != nil {
			r.t.Fatal(err)
		}
		_, id, _ := strings.Cut(msg.Subject, ".")
		all[id] = append(all[id], msg)
	}
	return all
}

// eachOnce checks that each of n jobs has had its effect once, and that the queue is empty.
func (r *rig) eachOnce(n int) {
	r.t.Helper()
	got := r.read("RESULTS")
	for i := range n {
		id := fmt.Sprintf("t-%06d", i)
		if k := len(got[id]); k != 1 {
			r.t.Errorf("job %s had its effect %d times", id, k)
		}
	}
	if len(got) != n {
		r.t.Errorf("%d jobs had an effect, want %d", len(got), n)
	}
	r.until("JOBS", 0)
	if k := r.stored("DEAD"); k != 0 {
		r.t.Errorf("%d jobs are dead, want none", k)
	}
}

// size is the number of jobs in the large tests. With the race detector the workers are slow.
func size() int {
	if raceDetector {
		return 1500
	}
	return 10_000
}
