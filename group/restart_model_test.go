package group_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

var modelFailures = flag.Int("restart.failures", 10_000, "the number of failures that TestRestartFollowsItsPolicy plays")

// A policyModel describes Restart a second time, from its documentation. Its task fails at random
// moments, and checks each of its calls.
type policyModel struct {
	group.Policy
	rand     *rand.Rand
	began    time.Time
	stop     time.Duration   // when the group is stopped
	longest  time.Duration   // most runs are not longer
	failures []time.Duration // all so far
	most     time.Duration   // the longest wait before the next call
	doubled  time.Duration   // the longest wait before the call after that
	calls    int
	running  bool
	told     bool // the running call was told to stop
	last     error
	wrong    []string
}

func newPolicyModel(seed uint64) *policyModel {
	r := rand.New(rand.NewPCG(seed, seed))
	m := &policyModel{rand: r, began: time.Now()}
	m.Initial = time.Millisecond + randN(r, time.Second)
	m.Max = m.Initial + randN(r, 30*time.Second)
	m.Within = time.Second + randN(r, 5*time.Minute)
	m.Limit = 1 + r.IntN(30)
	if r.IntN(4) == 0 {
		m.Limit = -1
	}
	m.stop = randN(r, 100*m.Max)
	m.longest = m.Initial << (2 * r.IntN(5))
	m.doubled = m.Initial
	return m
}

func randN(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) + 1 }

func (m *policyModel) now() time.Duration { return time.Since(m.began) }

func (m *policyModel) errorf(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf("at %v: ", m.now())+fmt.Sprintf(format, args...))
}

// exhausted reports whether the last failure is one too many.
func (m *policyModel) exhausted() bool {
	if m.Limit < 0 || len(m.failures) == 0 {
		return false
	}
	now, n := m.failures[len(m.failures)-1], 0
	for i := len(m.failures) - 1; i >= 0 && now-m.failures[i] <= m.Within; i-- {
		n++
	}
	return n > m.Limit
}

// task is the task of the group.
func (m *policyModel) task(ctx context.Context) error {
	began := m.now()
	m.calls++
	if m.running || ctx.Err() != nil || group.WorkContext(ctx).Err() != nil {
		m.errorf("call %d: another call runs: %t; its context has ended: %v", m.calls, m.running, ctx.Err())
	}
	if k := len(m.failures); k > 0 {
		if waited := began - m.failures[k-1]; waited < m.most/2 || waited > m.most {
			m.errorf("call %d comes after %v, want at most %v and at least half of that", m.calls, waited, m.most)
		}
	}
	if m.exhausted() || began > m.stop {
		m.errorf("call %d comes after too many failures: %t; after the stop at %v", m.calls, m.exhausted(), m.stop)
	}
	m.running = true
	defer func() { m.running = false }()
	run := randN(m.rand, m.longest)
	switch m.rand.IntN(20) {
	case 0:
		run = m.Max + randN(m.rand, m.Max)
	case 1:
		run = m.Max
	case 2:
		run = 0
	}
	select {
	case <-ctx.Done():
		m.told = true
	case <-time.After(run):
		m.failures = append(m.failures, m.now())
		if m.now()-began >= m.Max {
			m.doubled = m.Initial
		}
		m.most, m.doubled = m.doubled, min(2*m.doubled, m.Max)
	}
	return m.fail()
}

// fail fails in one of three ways.
func (m *policyModel) fail() error {
	switch m.rand.IntN(3) {
	case 0:
		m.last = fmt.Errorf("failure %d", m.calls)
		return m.last
	case 1:
		m.last = fmt.Errorf("panic %d", m.calls)
		panic(m.last)
	}
	m.last = group.ErrGoexit
	runtime.Goexit()
	return nil
}

// play runs the group until it stops, and checks the end.
func (m *policyModel) play() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(m.stop, cancel)
	var g group.Group
	t := g.Go("task", m.task, group.Restart(m.Policy))
	err := g.Run(ctx)
	var task *group.TaskError
	switch failed := errors.As(err, &task) && errors.Is(task.Err, m.last); {
	case !isClosed(t.Done()) || m.running:
		m.errorf("Run has returned: Done is closed: %t; a call runs: %t", isClosed(t.Done()), m.running)
	case m.exhausted():
		if !failed || m.now() != m.failures[len(m.failures)-1] {
			m.errorf("Run returned %v, want the last failure, %v, at once", err, m.last)
		}
	case m.now() != m.stop:
		m.errorf("Run returned %v, want that at %v", err, m.stop)
	case m.told && !failed:
		m.errorf("Run returned %v, want the failure after the stop, %v", err, m.last)
	case !m.told && err != nil:
		m.errorf("Run returned %v, want nil: the stop has ended a wait", err)
	}
}

func TestRestartFollowsItsPolicy(t *testing.T) {
	failures, ends := 0, make(map[string]int)
	for seed := uint64(1); failures < *modelFailures; seed++ {
		synctest.Test(t, func(t *testing.T) {
			m := newPolicyModel(seed)
			m.play()
			for _, w := range m.wrong {
				t.Errorf("program %d, %+v: %s", seed, m.Policy, w)
			}
			failures += len(m.failures)
			switch {
			case m.exhausted():
				ends["by the limit"]++
			case m.told:
				ends["by a stop in a run"]++
			default:
				ends["by a stop in a wait"]++
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d failures; the programs ended %v", failures, ends)
	if len(ends) < 3 {
		t.Errorf("the programs ended %v, want each of three ways", ends)
	}
}
