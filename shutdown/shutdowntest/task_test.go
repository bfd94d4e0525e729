package shutdowntest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A worker takes jobs until it is told to stop, and finishes its current job.
type worker struct {
	jobs     chan func(ctx context.Context)
	abandons bool // it gives up its job when it is told to stop
	ignores  bool // it does not give up its job at its deadline
}

func (w *worker) run(ctx context.Context) error {
	for {
		select {
		case job := <-w.jobs:
			work := group.WorkContext(ctx)
			switch {
			case w.abandons:
				work = ctx
			case w.ignores:
				work = context.WithoutCancel(ctx)
			}
			job(work)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// give gives the worker a job that takes a second.
func (w *worker) give() func() error {
	begun, finished := make(chan struct{}), false
	w.jobs <- func(ctx context.Context) {
		close(begun)
		select {
		case <-time.After(time.Second):
			finished = true
		case <-ctx.Done():
		}
	}
	<-begun
	return func() error {
		if !finished {
			return errors.New("the job was not finished")
		}
		return nil
	}
}

// hang gives the worker a job that hangs until its context ends.
func (w *worker) hang() func() {
	begun, release := make(chan struct{}), make(chan struct{})
	w.jobs <- func(ctx context.Context) {
		close(begun)
		select {
		case <-ctx.Done():
		case <-release:
		}
	}
	<-begun
	return sync.OnceFunc(func() { close(release) })
}

func testWorker(t shutdowntest.TB, w worker) {
	t.Helper()
	w.jobs = make(chan func(context.Context))
	shutdowntest.TestTask(t, func() func(context.Context) error { return w.run },
		shutdowntest.InHand(w.give), shutdowntest.Hanging(w.hang))
}

func TestTaskPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testWorker(t, worker{}) })
}

func TestTaskInRealTime(t *testing.T) {
	var n atomic.Int64
	shutdowntest.TestTask(t, func() func(context.Context) error {
		return func(ctx context.Context) error { n.Add(1); <-ctx.Done(); return nil }
	})
	if got := n.Load(); got != 4 {
		t.Errorf("the task was started %d times, want 4", got)
	}
}

// In real time a task returns a moment after the end of its context, unlike in a bubble. With Hanging it has
// 150 ms for that. A busy machine may take longer, so there are three attempts.
func TestTaskWithDeadlineInRealTime(t *testing.T) {
	r := new(recorder)
	for range 3 {
		r.failures = nil
		testWorker(r, worker{})
		r.end()
		if len(r.failures) == 0 {
			return
		}
	}
	t.Error(strings.Join(r.failures, "\n"))
}

// The task of httpdrain passes.
func TestTaskPassesForAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *shutdowntest.Listener
		shutdowntest.TestTask(t, func() func(context.Context) error {
			l = shutdowntest.Listen(t)
			return httpdrain.Serve(&http.Server{Handler: slowHandler(time.Second)}, httpdrain.Listener(l))
		}, shutdowntest.InHand(func() func() error {
			failed := make(chan error, 1)
			client := l.Client()
			go func() {
				res, err := client.Get("http://server/")
				if err == nil {
					res.Body.Close()
				}
				client.CloseIdleConnections()
				failed <- err
			}()
			time.Sleep(ms)
			return func() error { return <-failed }
		}))
	})
}

func TestTaskFails(t *testing.T) {
	release := make(chan struct{})
	for _, tt := range []struct {
		name  string
		test  func(t shutdowntest.TB)
		wants []string
	}{
		{"a task that gives up its work", func(t shutdowntest.TB) { testWorker(t, worker{abandons: true}) }, []string{"with work in hand: the work was not finished: the job was not finished"}},
		{"a task that does not give up at its deadline", func(t shutdowntest.TB) { testWorker(t, worker{ignores: true}) }, []string{`with work that hangs: task "task"`}},
		{
			"a task that returns at once", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error { return func(context.Context) error { return nil } })
			}, []string{"told to stop: the task returned before"},
		},
		{
			// It would never take the work that it is given.
			"a task that returns at once, with work in hand", func(t shutdowntest.TB) {
				w := worker{jobs: make(chan func(context.Context))}
				shutdowntest.TestTask(t, func() func(context.Context) error { return func(context.Context) error { return errMine } },
					shutdowntest.InHand(w.give), shutdowntest.Hanging(w.hang))
			}, []string{"told to stop: the task returned before", "told to stop before it starts: "},
		},
		{
			"a task with an InHand that returns nil", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error {
					return func(ctx context.Context) error { <-ctx.Done(); return nil }
				},
					shutdowntest.InHand(func() func() error { return nil }))
			}, []string{"with work in hand: the function given to InHand returned nil"},
		},
		{
			"a task that fails when it is told to stop", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error {
					return func(ctx context.Context) error { <-ctx.Done(); return errMine }
				})
			}, []string{"told to stop: ", "the context given to Run has ended: ", "told to stop at once: ", "told to stop before it starts: "},
		},
		{
			"a task that ignores its context", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error { return func(context.Context) error { <-release; return nil } })
			}, []string{"is abandoned", "still running"},
		},
		{
			"a task that leaks", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error {
					return func(ctx context.Context) error { go func() { <-release }(); <-ctx.Done(); return nil }
				})
			}, []string{"left 1 goroutines behind"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				r := new(recorder)
				tt.test(r)
				close(release)
				r.end()
				all := strings.Join(r.failures, "\n")
				for _, want := range tt.wants {
					if !strings.Contains(strings.ReplaceAll(all, "was abandoned", "is abandoned"), want) {
						t.Errorf("no failure contains %q:\n%s", want, all)
					}
				}
			})
		})
	}
}

// Without a function the options would check nothing.
func TestTaskOptionsPanicOnNil(t *testing.T) {
	for name, option := range map[string]func(){
		"InHand":  func() { shutdowntest.InHand(nil) },
		"Hanging": func() { shutdowntest.Hanging(nil) },
	} {
		func() {
			defer func() {
				want := "shutdowntest: " + name + " was given nil, at shutdowntest/task_test.go:"
				if v := fmt.Sprint(recover()); !strings.HasPrefix(v, want) {
					t.Errorf("%s(nil) panics with %s, want %s", name, v, want)
				}
			}()
			option()
		}()
	}
}
