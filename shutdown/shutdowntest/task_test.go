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

// A worker takes jobs until it is told to stop, and finishes the one it has.
type worker struct {
	jobs     chan func(ctx context.Context)
	abandons bool // the job in hand
	deaf     bool // and has it run for ever
}

func (w *worker) run(ctx context.Context) error {
	for {
		select {
		case job := <-w.jobs:
			work := group.WorkContext(ctx)
			switch {
			case w.abandons:
				work = ctx
			case w.deaf:
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
			return errors.New("the job was cut")
		}
		return nil
	}
}

// hang gives it one that hangs.
func (w *worker) hang() func() {
	begun, over := make(chan struct{}), make(chan struct{})
	w.jobs <- func(ctx context.Context) {
		close(begun)
		select {
		case <-ctx.Done():
		case <-over:
		}
	}
	<-begun
	return sync.OnceFunc(func() { close(over) })
}

func accept(t shutdowntest.TB, w worker) {
	t.Helper()
	w.jobs = make(chan func(context.Context))
	shutdowntest.TestTask(t, func() func(context.Context) error { return w.run },
		shutdowntest.InHand(w.give), shutdowntest.Hanging(w.hang))
}

func TestTaskAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { accept(t, worker{}) })
}

func TestTaskInRealTime(t *testing.T) {
	var n atomic.Int64
	shutdowntest.TestTask(t, func() func(context.Context) error {
		return func(ctx context.Context) error { n.Add(1); <-ctx.Done(); return nil }
	})
	if got := n.Load(); got != 4 {
		t.Errorf("it was started %d times, want 4", got)
	}
}

// In real time a task returns a moment after the end of its context, never at that instant.
func TestTaskIsCutInRealTime(t *testing.T) { accept(t, worker{}) }

// The server of this module is a task.
func TestTaskAcceptsAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *shutdowntest.Listener
		shutdowntest.TestTask(t, func() func(context.Context) error {
			l = shutdowntest.Listen(t)
			return httpdrain.Serve(&http.Server{Handler: takesSome(time.Second)}, httpdrain.Listener(l))
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

func TestTaskRejects(t *testing.T) {
	over := make(chan struct{})
	for _, tt := range []struct {
		name  string
		test  func(t shutdowntest.TB)
		wants []string
	}{
		{"one that cuts the work in hand", func(t shutdowntest.TB) { accept(t, worker{abandons: true}) }, []string{"with work in hand: the work was not finished: the job was cut"}},
		{"one that is not to be cut", func(t shutdowntest.TB) { accept(t, worker{deaf: true}) }, []string{`with work that hangs: task "task"`}},
		{
			"one that returns at once", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error { return func(context.Context) error { return nil } })
			}, []string{"told to stop: it has returned before"},
		},
		{
			// and would never take the work that it is given
			"one that returns at once, with work in hand", func(t shutdowntest.TB) {
				w := worker{jobs: make(chan func(context.Context))}
				shutdowntest.TestTask(t, func() func(context.Context) error { return func(context.Context) error { return errMine } },
					shutdowntest.InHand(w.give), shutdowntest.Hanging(w.hang))
			}, []string{"told to stop: it has returned before", "told before it began: "},
		},
		{
			"one of which nobody tells whether it has finished its work", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error {
					return func(ctx context.Context) error { <-ctx.Done(); return nil }
				},
					shutdowntest.InHand(func() func() error { return nil }))
			}, []string{"with work in hand: InHand was given a function that returns nil"},
		},
		{
			"one that fails because it was stopped", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error {
					return func(ctx context.Context) error { <-ctx.Done(); return errMine }
				})
			}, []string{"told to stop: ", "the context given to Run has ended: ", "told at once: ", "told before it began: "},
		},
		{
			"one that is deaf", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error { return func(context.Context) error { <-over; return nil } })
			}, []string{"is abandoned", "still running"},
		},
		{
			"one that leaks", func(t shutdowntest.TB) {
				shutdowntest.TestTask(t, func() func(context.Context) error {
					return func(ctx context.Context) error { go func() { <-over }(); <-ctx.Done(); return nil }
				})
			}, []string{"left 1 goroutines behind"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over = make(chan struct{})
				r := new(recorder)
				tt.test(r)
				close(over)
				r.end()
				all := strings.Join(r.failures, "\n")
				for _, want := range tt.wants {
					if !strings.Contains(strings.ReplaceAll(all, "was abandoned", "is abandoned"), want) {
						t.Errorf("the failures have no %q:\n%s", want, all)
					}
				}
			})
		})
	}
}

// Without a function there would be nothing that could fail.
func TestTaskOptionWithoutAFunction(t *testing.T) {
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
