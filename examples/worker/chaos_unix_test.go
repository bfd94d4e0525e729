//go:build unix

package main

import (
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A crowd is a set of workers. Again and again one of them is stopped and another one started.
type crowd struct {
	*rig
	args    []string
	signals []syscall.Signal
	now     []*process
	all     []*process
}

func (c *crowd) start(n int) {
	for range n {
		p := c.worker(c.args...)
		c.now, c.all = append(c.now, p), append(c.all, p)
	}
}

// replaceOne sends one of the signals to one of the workers and starts another one. It does not
// wait for either.
func (c *crowd) replaceOne() {
	i := rand.IntN(len(c.now))
	c.now[i].signal(c.signals[rand.IntN(len(c.signals))])
	c.now = append(c.now[:i], c.now[i+1:]...)
	c.start(1)
}

// untilDone replaces workers until all n jobs are done, and then stops the rest.
func (c *crowd) untilDone(n int) {
	c.t.Helper()
	for end := time.Now().Add(patience); c.stored("RESULTS") < n; {
		if time.Now().After(end) {
			c.t.Fatalf("%d of %d jobs done", c.stored("RESULTS"), n)
		}
		time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond)
		c.replaceOne()
	}
	c.until("JOBS", 0) // jobs of workers that were killed before confirming take the ack wait
	for _, p := range c.now {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range c.all {
		p.wait()
	}
	c.t.Logf("%d jobs, %d workers", n, len(c.all))
}

// With SIGTERM alone, no job has to wait for the ack wait, which is longer than the test. A job
// that is delivered twice was given back, or was sent to a worker that had just disconnected,
// which the broker notices.
func TestWorkersThatAreStopped(t *testing.T) {
	t.Parallel()
	r, n := newRig(t), size()
	r.produce(n, "-work", "2ms")
	c := &crowd{rig: r, args: []string{"-ack-wait", "1h"}, signals: []syscall.Signal{syscall.SIGTERM}}
	c.start(3)
	c.untilDone(n)
	r.eachOnce(n)

	var sum counts
	for _, p := range c.all {
		if code := p.cmd.ProcessState.ExitCode(); code != 0 && !beforeMain(p) {
			t.Errorf("exit code %d:\n%s", code, p.log.String())
		}
		k := p.counts()
		sum.Done += k.Done
		sum.Before += k.Before
		sum.GivenBack += k.GivenBack
		sum.Left += k.Left
		sum.Redone += k.Redone
	}
	if sum.Done != n || sum.Before != 0 || sum.Left != 0 || sum.Redone < sum.GivenBack {
		t.Errorf("%+v, want %d done, none before, none left, and at least as many redelivered as given back", sum, n)
	}
	t.Logf("%d given back, %d delivered again", sum.GivenBack, sum.Redone)
}

// beforeMain reports whether the signal came before the program handled signals.
func beforeMain(p *process) bool {
	ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGTERM && p.log.String() == ""
}

func TestWorkersThatAreKilled(t *testing.T) {
	t.Parallel()
	r, n := newRig(t), size()
	r.produce(n, "-work", "2ms")
	c := &crowd{rig: r, args: []string{"-ack-wait", "1s"}, signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}}
	c.start(3)
	c.untilDone(n)
	r.eachOnce(n)
}

func TestBrokerThatIsKilled(t *testing.T) {
	t.Parallel()
	r, n := newRig(t), size()
	r.produce(n, "-work", "2ms")
	c := &crowd{rig: r, args: []string{"-ack-wait", "1s"}, signals: []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}}
	c.start(3)

	done := make(chan struct{})
	var broker sync.WaitGroup
	restarts := 0
	broker.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(500+rand.IntN(1000)) * time.Millisecond):
			}
			r.broker.signal([]syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[i%2])
			<-r.broker.ended
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			r.startBroker()
			restarts++
		}
	})
	c.untilDone(n)
	close(done)
	broker.Wait()
	r.eachOnce(n)
	for _, p := range c.all {
		if out := p.log.String(); strings.Contains(out, "abandoned") {
			t.Errorf("a step was abandoned:\n%s", out)
		}
	}
	t.Logf("the broker was started again %d times", restarts)
}
