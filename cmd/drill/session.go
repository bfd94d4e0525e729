package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
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
	front     *instance // haproxy, if it is in front
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
	s.result = &Result{Subject: s.subject.name, Control: s.subject.control, Mode: s.mode, Began: time.Now()}
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
	defer func() { endLoad(); s.load.wait(); s.watchers.Wait() }()
	s.load = newLoad(loadCtx, s.cfg, targets)
	s.result.Began = s.load.start
	s.progress.follow(s.result, s.load)
	s.watch(loadCtx)
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
	s.load.wait()
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
		t, err := newTarget(n, i.url, i.stream, i.body)
		if err != nil {
			return err
		}
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
	t, err := newTarget(0, front.url, front.stream, front.body)
	return []*target{t}, err
}

// preflight tells a wrong URL from a server that loses requests.
func (s *session) preflight(ctx context.Context, t *target) (h2 bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timeout)
	defer cancel()
	res, err := probes.Do(t.request(ctx, idPlaceholder))
	if err != nil {
		return false, err
	}
	res.Body.Close()
	if res.StatusCode >= 400 {
		return false, fmt.Errorf("POST %s is answered with %s before any load: set -url and -body", t.url, res.Status)
	}
	if err := s.preflightStream(ctx, t.streamURL); err != nil {
		return false, err
	}
	switch {
	case s.cfg.h2 == 0:
		return false, nil
	case s.mode == haproxy:
		s.result.note("no HTTP/2: haproxy is asked for HTTP/1.1 only")
		return false, nil
	}
	client := newHTTP2(2*time.Second, t.tls)
	defer client.CloseIdleConnections()
	if f, _ := post(client, t.request(ctx, idPlaceholder)); f != answered {
		s.result.note("no HTTP/2: the server does not offer it")
		return false, nil
	}
	return true, nil
}

func (s *session) preflightStream(ctx context.Context, url string) error {
	if url == "" || s.cfg.streams == 0 {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := probes.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s is answered with %s before any load: set -stream-url", url, res.Status)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil {
		return fmt.Errorf("GET %s has no body to stream: %w", url, err)
	}
	return nil
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
	s.progress.stage("load")
	first := int64(s.cfg.requests)
	if s.mode != direct {
		first /= int64(len(s.instances) + 1) // the others come between and after the restarts
	}
	if err := s.wait(ctx, s.cfg.load, first); err != nil {
		return err
	}
	for n := range s.instances {
		if err := s.stop(ctx, n); err != nil {
			return err
		}
		if s.mode == direct {
			return nil
		}
		if err := s.startInstance(ctx, s.instances[n]); err != nil {
			return err
		}
		// The balancer has to notice, and then the instance gets its share of the load.
		s.progress.stage(s.instances[n].name + " ready again")
		if err := s.wait(ctx, 5*s.cfg.polled+s.cfg.load/4, 0); err != nil {
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
		for _, i := range s.instances {
			select {
			case <-i.ended:
				return i.endedEarly()
			default:
			}
		}
		// A server that has not answered by now will not answer later.
		if time.Since(began) > d+s.cfg.timeout && s.load.answered.Load() == 0 {
			return errors.New("no request was answered")
		}
	}
	return nil
}

// stop sends SIGTERM to an instance and records the time of each event.
func (s *session) stop(ctx context.Context, n int) error {
	i, t := s.instances[n], s.watched[n]
	st := Stop{Instance: i.name}
	// The time is taken before the signal is sent, so that no effect can come before it.
	t.leaving.Store(s.mode == direct)
	signalled := time.Now()
	st.Signal = s.since(signalled)
	s.progress.stage("SIGTERM to " + i.name)

	var looks sync.WaitGroup
	looks.Go(func() { st.Closed = s.first(ctx, i, func() bool { return refuses(ctx, i.url) }) })
	if i.ready != "" {
		looks.Go(func() { st.NotReady = s.first(ctx, i, func() bool { return !i.isReady(ctx) }) })
	}
	killed, err := i.terminate(s.cfg.stopLimit)
	looks.Wait()
	if err != nil {
		return err
	}
	if !killed && accepts(ctx, i.url) {
		return fmt.Errorf("%s has ended, but something that it started still accepts connections for %s: the command must be the server itself (in a shell, exec)", i.name, i.url)
	}
	st.Exit = s.since(i.died)
	st.Killed = killed
	st.Status, st.Good = i.status()
	s.result.Stops = append(s.result.Stops, st)
	s.progress.stage(fmt.Sprintf("%s ended after %v", i.name, round(i.died.Sub(signalled))))
	return ctx.Err()
}

// first returns when a condition first held, or nil if it did not before the exit.
func (s *session) first(ctx context.Context, i *instance, seen func() bool) *millis {
	for {
		asked := time.Now()
		is := seen()
		select {
		case <-i.ended:
			if !is || i.died.Before(asked) {
				return nil
			}
			return new(s.since(asked))
		case <-ctx.Done():
			return nil
		default:
		}
		if is {
			return new(s.since(asked))
		}
		time.Sleep(5 * time.Millisecond)
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
