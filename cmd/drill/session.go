package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A session is one subject drilled in one mode, once.
type session struct {
	cfg      *config
	mode     mode
	subject  *subject
	dir      string // of all sessions
	progress *progress

	instances []*instance
	watched   []*target // one for each instance
	watchers  sync.WaitGroup
	front     *instance                // haproxy, if it is in front
	stopped   atomic.Pointer[instance] // the last that was told to stop
	load      *load
	result    *Result
}

// hold starts everything, runs the drill, and removes everything. An error means that there was no
// drill.
func (s *session) hold(ctx context.Context) (*Result, error) {
	defer s.progress.end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.killAll()
	dir, err := os.MkdirTemp(s.dir, string(s.mode)+"-")
	if err != nil {
		return nil, err
	}
	s.result = &Result{Mode: s.mode, Began: time.Now()}
	if err := s.startInstances(ctx, dir); err != nil {
		return nil, err
	}
	targets, err := s.targets(ctx, dir)
	if err != nil {
		return nil, err
	}
	h2, err := s.preflight(ctx, targets[0])
	if err != nil {
		return nil, err
	}

	loadCtx, endLoad := context.WithCancel(ctx)
	defer func() { endLoad(); s.load.end(); s.watchers.Wait() }()
	s.load = newLoad(loadCtx, s.cfg, targets)
	s.result.Began = s.load.start
	s.progress.follow(fmt.Sprintf("%s, %s", s.subject.name, s.mode), s.load)
	s.watch(loadCtx)
	s.fitWebSockets()
	s.load.begin(h2)
	if s.mode == direct || s.mode == rolling {
		for _, t := range targets {
			s.load.hold(t)
		}
	}
	if err := s.drill(ctx); err != nil {
		return nil, err
	}
	if s.mode == direct {
		s.awaitClients()
	}
	endLoad()
	s.load.end()
	s.progress.stage("load over")
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	s.killAll() // whose files are complete now
	return s.result, s.result.complete(s)
}

func (s *session) startInstances(ctx context.Context, dir string) error {
	names := []string{"server"}
	switch s.mode {
	case during:
		names = nil
	case rolling, haproxy:
		names = []string{"server 1", "server 2"}
	}
	for n, name := range names {
		i, err := newInstance(s.subject, name, filepath.Join(dir, fmt.Sprint(n+1)))
		if err != nil {
			return err
		}
		t, err := newTarget(n, i.wire)
		if err != nil {
			return err
		}
		t.gone = i.gone
		s.instances, s.watched = append(s.instances, i), append(s.watched, t)
		if err := s.startInstance(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) startInstance(ctx context.Context, i *instance) error {
	s.progress.stage("start " + i.name)
	if err := i.start(ctx); err != nil {
		return err
	}
	return i.awaitReady(ctx, s.cfg.startLimit)
}

// targets are where the clients go: the instances, or haproxy.
func (s *session) targets(ctx context.Context, dir string) ([]*target, error) {
	switch s.mode {
	case during:
		t, err := s.sharedTarget()
		return []*target{t}, err
	case direct, rolling:
		return s.watched, nil
	}
	front, err := newHAProxy(s.instances, s.cfg.polled, filepath.Join(dir, "haproxy"))
	if err != nil {
		return nil, err
	}
	s.front = front
	if err := s.startInstance(ctx, front); err != nil {
		return nil, err
	}
	t, err := newTarget(0, front.wire)
	if err != nil {
		return nil, err
	}
	t.gone = func() bool { i := s.stopped.Load(); return i != nil && i.gone() }
	return []*target{t}, nil
}

func (s *session) watch(ctx context.Context) {
	for n, i := range s.instances {
		s.watchers.Go(func() { s.watched[n].watch(ctx, i, s.cfg.polled) })
	}
}

// drill stops the instances, one after the other, under load.
func (s *session) drill(ctx context.Context) error {
	if s.mode == during {
		return s.drillWhile(ctx)
	}
	if s.load.sockets > 0 {
		s.progress.stage("open WebSockets")
	}
	if err := s.awaitWebSockets(ctx); err != nil {
		return err
	}
	s.progress.stage("load")
	first := int64(s.cfg.requests)
	if s.mode != direct {
		first /= int64(len(s.instances) + 1) // the others come between and after the restarts
	}
	if err := s.wait(ctx, s.cfg.load, first); err != nil {
		return err
	}
	s.load.calm()
	for n := range s.instances {
		if err := s.stop(ctx, n); err != nil {
			return err
		}
		if s.mode == direct {
			return nil
		}
		s.result.Stops[n].Again = new(s.since(time.Now()))
		if err := s.startInstance(ctx, s.instances[n]); err != nil {
			return err
		}
		// The balancer has to notice, and then the instance gets its share of the load.
		s.progress.stage(s.instances[n].name + " ready again")
		if err := s.wait(ctx, 5*s.cfg.polled+s.cfg.load/4, 0); err != nil {
			return err
		}
		if err := s.awaitWebSockets(ctx); err != nil {
			return err
		}
	}
	return s.wait(ctx, 0, int64(s.cfg.requests))
}

// wait lets the load run for d, and until n requests are answered. If an instance ends early, it
// returns an error.
func (s *session) wait(ctx context.Context, d time.Duration, n int64) error {
	for began := time.Now(); time.Since(began) < d || s.load.answered.Load() < n; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
		if err := s.endedEarly(); err != nil {
			return err
		}
		// A server that has not answered by now will not answer later.
		if time.Since(began) > d+s.cfg.timeout && s.load.answered.Load() == 0 {
			return errors.New("no request was answered")
		}
	}
	return nil
}

func (s *session) endedEarly() error {
	for _, i := range s.instances {
		select {
		case <-i.ended:
			return i.endedEarly()
		default:
		}
	}
	return nil
}

// stop sends the signal to an instance and records the time of each event.
func (s *session) stop(ctx context.Context, n int) error {
	i, t := s.instances[n], s.watched[n]
	st := Stop{Instance: i.name, With: s.cfg.signal}
	// The time is taken before the signal is sent, so that no effect can come before it.
	t.leaving.Store(s.mode == direct)
	signalled := time.Now()
	st.Signal = s.since(signalled)
	s.progress.stage(fmt.Sprintf("%v to %s", st.With, i.name))

	s.stopped.Store(i)
	var looks sync.WaitGroup
	looks.Go(func() { s.watchListener(ctx, i, &st) })
	if i.ready != "" {
		looks.Go(func() { st.NotReady = s.firstNotReady(ctx, i) })
	}
	killed, err := i.terminate(st.With, s.cfg.stopLimit)
	looks.Wait()
	if err != nil {
		return err
	}
	if !killed && accepts(ctx, i.address()) {
		return fmt.Errorf("%s has ended, but something that it started still accepts connections for %s: the command must be the server itself (in a shell, exec)", i.name, i.address())
	}
	st.Exit = s.since(i.died)
	st.Killed = killed
	st.Status, st.Good = i.status(st.With)
	s.result.Stops = append(s.result.Stops, st)
	s.progress.stage(fmt.Sprintf("%s ended after %v", i.name, round(i.died.Sub(signalled))))
	return ctx.Err()
}

// lookEvery is the time between two looks at a server that stops.
const lookEvery = 5 * time.Millisecond

// watchListener connects until it is refused, or until the exit.
func (s *session) watchListener(ctx context.Context, i *instance, st *Stop) {
	for {
		asked := s.since(time.Now())
		err := knock(ctx, i.address())
		told := s.since(time.Now())
		select {
		case <-i.ended:
			if errors.Is(err, syscall.ECONNREFUSED) && s.since(i.died) > told {
				st.Closed = &told
			}
			return
		case <-ctx.Done():
			return
		default:
		}
		switch { // other failures to connect come from a full queue
		case err == nil:
			st.accepted = asked
		case errors.Is(err, syscall.ECONNREFUSED):
			st.Closed = &told
			return
		}
		time.Sleep(lookEvery)
	}
}

// firstNotReady returns when the server first said that it is not ready, or nil if it did not before the exit.
func (s *session) firstNotReady(ctx context.Context, i *instance) *millis {
	for {
		asked := time.Now()
		ready := i.isReady(ctx)
		select {
		case <-i.ended:
			if ready || i.died.Before(asked) {
				return nil
			}
			return new(s.since(asked))
		case <-ctx.Done():
			return nil
		default:
		}
		if !ready {
			return new(s.since(asked))
		}
		time.Sleep(lookEvery)
	}
}

func (s *session) since(t time.Time) millis { return millis(t.Sub(s.load.start)) }

// awaitClients gives the clients time to notice that their server has ended. All their connections
// are closed. Only a connection that a child process of the server still holds can take longer.
func (s *session) awaitClients() {
	gone := make(chan struct{})
	go func() { s.load.wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(time.Second):
	}
}

func (s *session) killAll() {
	if s.front != nil {
		s.front.kill()
	}
	for _, i := range s.instances {
		i.kill()
	}
}
