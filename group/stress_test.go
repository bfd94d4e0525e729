package group_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// TestStress adds, shuts down, fails and finishes tasks on many goroutines, and stops the group
// meanwhile.
func TestStress(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for i := range rounds {
		newStress(t, rand.New(rand.NewPCG(seed, uint64(i)))).run()
		if t.Failed() {
			t.Fatalf("in round %d", i)
		}
	}
}

// A stress is a group and a plain record of the errors that it has to return.
type stress struct {
	t       *testing.T
	g       group.Group
	cancel  context.CancelFunc
	workers int
	seeds   [2]uint64

	mu       sync.Mutex
	tasks    []*group.Task
	returned map[error]bool // what tasks have failed with
	taken    map[error]bool // what Shutdown has returned
	refused  atomic.Int32
	begun    atomic.Int32
	ended    atomic.Int32
}

func newStress(t *testing.T, r *rand.Rand) *stress {
	return &stress{
		t:       t,
		g:       group.Group{Concurrent: r.IntN(2) == 0},
		workers: 1 + r.IntN(8), seeds: [2]uint64{r.Uint64(), r.Uint64()},
		returned: map[error]bool{}, taken: map[error]bool{},
	}
}

func (s *stress) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.cancel = cancel
	s.add(rand.New(rand.NewPCG(s.seeds[0], 0)))
	var wg sync.WaitGroup
	for i := range s.workers {
		r := rand.New(rand.NewPCG(s.seeds[0], s.seeds[1]+uint64(i)))
		wg.Go(func() { s.work(r) })
	}
	result := make(chan error, 1)
	go func() { result <- s.g.Run(ctx) }()
	select {
	case err := <-result:
		s.checkDone()
		wg.Wait()
		s.check(err)
	case <-time.After(20 * time.Second):
		s.t.Error("Run has not returned")
	}
}

func (s *stress) work(r *rand.Rand) {
	for range 20 {
		switch n := r.IntN(40); {
		case n < 20:
			s.add(r)
		case n < 39:
			s.shutdown(r)
		default:
			s.cancel()
		}
	}
	s.cancel()
}

func (s *stress) add(r *rand.Rand) {
	var opts []group.Option
	if r.IntN(4) > 0 {
		opts = append(opts, group.MayFinish())
	}
	kind, nap := r.IntN(20), time.Duration(r.IntN(50))*time.Microsecond
	var added *group.Task
	execute := func(ctx context.Context) error {
		s.begun.Add(1)
		defer s.ended.Add(1)
		return s.behave(ctx, kind, nap)
	}
	if kind%2 == 0 {
		added = s.g.Go("task", execute, opts...)
	} else {
		added = s.pair(execute, kind == 1, opts)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = append(s.tasks, added)
}

// pair adds a task whose interrupt ends a context of its own.
func (s *stress) pair(execute task, fails bool, opts []group.Option) *group.Task {
	var interrupted atomic.Int32
	told, tell := context.WithCancel(context.Background())
	return s.g.Add("pair", func(context.Context) error { return execute(told) }, func(context.Context) error {
		tell()
		if interrupted.Add(1) > 1 {
			s.t.Error("an interrupt was called twice")
		}
		if fails {
			return s.fail()
		}
		return nil
	}, opts...)
}

func (s *stress) behave(ctx context.Context, kind int, nap time.Duration) error {
	switch kind {
	case 0, 1: // fails, unless it is told before
		select {
		case <-time.After(nap):
			if kind == 0 {
				return s.fail()
			}
		case <-ctx.Done():
		}
		return nil
	case 2: // fails when it is told
		<-ctx.Done()
		return s.fail()
	case 3, 4, 5, 6:
		time.Sleep(nap)
		return nil
	case 8:
		err := s.fail()
		panic(err)
	}
	<-ctx.Done()
	time.Sleep(nap)
	return ctx.Err()
}

// fail makes an error that Run or a Shutdown must return.
func (s *stress) fail() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := fmt.Errorf("error %d", len(s.returned))
	s.returned[err] = true
	return err
}

func (s *stress) shutdown(r *rand.Rand) {
	s.mu.Lock()
	task := s.tasks[r.IntN(len(s.tasks))]
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.IntN(2) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(100))*time.Microsecond)
		defer cancel()
	}
	err := task.Shutdown(ctx)
	switch {
	case err == group.ErrStopped:
		s.refused.Add(1)
	case err == nil && !isClosed(task.Done()):
		s.t.Error("Shutdown() = nil, but Done is open")
	case err != nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		for e := range s.returned {
			if errors.Is(err, e) {
				s.taken[e] = true
			}
		}
	}
}

func (s *stress) checkDone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, task := range s.tasks {
		if !isClosed(task.Done()) {
			s.t.Error("Done of a task is open when Run has returned")
		}
	}
	if begun, ended := s.begun.Load(), s.ended.Load(); begun != ended {
		s.t.Errorf("%d tasks have begun and %d have ended", begun, ended)
	}
}

// check checks that each error of a task was returned by Run or by a Shutdown.
func (s *stress) check(err error) {
	for e := range s.returned {
		if !errors.Is(err, e) && !s.taken[e] {
			s.t.Errorf("%v is lost; Run() = %v", e, err)
		}
	}
}

// A task's failure begins the stop, with the error as its cause. The cause must not excuse the
// failure itself.
func TestAFailureIsNotExcusedByTheStopThatItBegins(t *testing.T) {
	for range 2000 {
		var g group.Group
		g.Go("a", func(context.Context) error { return context.Canceled })
		if err := g.Run(context.Background()); !errors.Is(err, context.Canceled) {
			t.Fatalf("Run = %v, want the failure", err)
		}
	}
}
