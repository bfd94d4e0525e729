package group_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// A server has a pair of functions: serve returns its error after shutdown was called.
type server struct {
	d           *diary
	quit        chan struct{}
	needs       time.Duration // by shutdown
	serveErr    error
	shutdownErr error
	interrupts  atomic.Int32
}

func (d *diary) server() *server { return &server{d: d, quit: make(chan struct{})} }

func (s *server) serve(ctx context.Context) error {
	select {
	case <-s.quit:
	case <-ctx.Done():
		s.d.note("serve deadline: " + context.Cause(ctx).Error())
	}
	return s.serveErr
}

func (s *server) shutdown(ctx context.Context) error {
	s.interrupts.Add(1)
	if ctx.Err() != nil {
		s.d.note("shutdown's context has ended already")
	}
	s.d.note("shutdown")
	select {
	case <-time.After(s.needs):
	case <-ctx.Done():
		s.d.note("shutdown deadline: " + context.Cause(ctx).Error())
		return ctx.Err()
	}
	close(s.quit)
	return s.shutdownErr
}

func (s *server) checkInterrupts(t *testing.T) {
	t.Helper()
	if n := s.interrupts.Load(); n != 1 {
		t.Errorf("interrupt was called %d times, want 1", n)
	}
}

func TestAdd(t *testing.T) {
	errServe, errShutdown := errors.New("serve failed"), errors.New("shutdown failed")
	deadline := " deadline: shutdown: the step's deadline has passed"
	for _, tt := range []struct {
		name                  string
		needs                 time.Duration
		serveErr, shutdownErr error
		happens               []string
		want                  []string
	}{
		{
			"interrupts in the task's turn", 2 * s, nil, nil,
			[]string{"1m0s z told", "1m1s z ends", "1m1s shutdown", "1m3s Run returns"},
			nil,
		}, {
			"does not report an error of execute after interrupt was called", 2 * s, errServe, nil,
			[]string{"1m0s z told", "1m1s z ends", "1m1s shutdown", "1m3s Run returns"},
			nil,
		}, {
			"reports the error of interrupt", 2 * s, errServe, errShutdown,
			[]string{"1m0s z told", "1m1s z ends", "1m1s shutdown", "1m3s Run returns"},
			[]string{"pair: shutdown failed"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				srv := d.server()
				srv.needs, srv.serveErr, srv.shutdownErr = tt.needs, tt.serveErr, tt.shutdownErr
				var g group.Group
				pair := g.Add("pair", srv.serve, srv.shutdown)
				g.Go("first", fails(time.Minute, nil))
				g.Go("z", d.obeys("z", s))
				checkFailures(t, g.Run(context.Background()), tt.want...)
				d.note("Run returns")
				d.check(t, tt.happens...)
				srv.checkInterrupts(t)
				if !isClosed(pair.Done()) {
					t.Error("Done is open, want closed")
				}
			})
		})
	}
	t.Run("ends both contexts at the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			srv := d.server()
			srv.needs = time.Hour
			g := group.Group{Grace: 10 * s}
			g.Add("pair", srv.serve, func(ctx context.Context) error {
				err := srv.shutdown(ctx)
				time.Sleep(time.Nanosecond) // serve returns first
				return err
			})
			g.Go("first", succeeds)
			checkFailures(t, g.Run(context.Background()),
				"pair: returned only after its deadline: context deadline exceeded")
			if len(d.lines) != 3 || d.lines[0] != "0s shutdown" {
				t.Errorf("what happened = %q, want shutdown and two deadlines", d.lines)
			}
			for _, line := range d.lines[1:] {
				if line != "9.5s serve"+deadline && line != "9.5s shutdown"+deadline {
					t.Errorf("%q, want a deadline at 9.5s", line)
				}
			}
		})
	})
	t.Run("ends the task when both have returned", func(t *testing.T) {
		for _, tt := range []struct {
			name               string
			execute, interrupt time.Duration // how long they take after the stop
		}{
			{"execute last", 3 * s, 1 * s},
			{"interrupt last", 1 * s, 3 * s},
		} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d, told := newDiary(), make(chan struct{})
					var g group.Group
					g.Add("pair", func(context.Context) error {
						<-told
						time.Sleep(tt.execute)
						return nil
					}, func(context.Context) error {
						close(told)
						time.Sleep(tt.interrupt)
						return nil
					})
					g.Go("first", succeeds)
					checkFailures(t, g.Run(context.Background()))
					d.note("Run returns")
					d.check(t, "3s Run returns")
				})
			})
		}
	})
	t.Run("interrupts an execute that has failed, and reports both errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := newDiary().server()
			srv.shutdownErr = errShutdown
			var g group.Group
			g.Add("pair", fails(s, errServe), srv.shutdown)
			err := g.Run(context.Background())
			if !errors.Is(err, errServe) || !errors.Is(err, errShutdown) {
				t.Errorf("Run() = %v, want both errors", err)
			}
			srv.checkInterrupts(t)
		})
	})
	t.Run("reports a panic of execute and the error of its interrupt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := newDiary().server()
			srv.shutdownErr = errShutdown
			var g group.Group
			g.Add("pair", func(context.Context) error { thrower(); return nil }, srv.shutdown)
			err := g.Run(context.Background())
			var p *group.PanicError
			if !errors.As(err, &p) || !errors.Is(err, errShutdown) {
				t.Errorf("Run() = %v, want the panic and the error", err)
			}
		})
	})
	t.Run("interrupts an execute that has finished, at once if it has MayFinish", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			srv := d.server()
			srv.needs = s
			var g group.Group
			pair := g.Add("pair", fails(s, nil), srv.shutdown, group.MayFinish())
			g.Go("a", fails(time.Minute, nil))
			wait := started(context.Background(), &g)
			<-pair.Done()
			d.note("Done")
			checkFailures(t, wait())
			srv.checkInterrupts(t)
			d.check(t, "1s shutdown", "2s Done")
		})
	})
	t.Run("stops the group when the interrupt of a task that has finished fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			srv := d.server()
			srv.shutdownErr = errShutdown
			var g group.Group
			g.Add("pair", fails(s, nil), srv.shutdown, group.MayFinish())
			g.Go("a", fails(time.Minute, nil))
			checkFailures(t, g.Run(context.Background()), "pair: shutdown failed")
			d.note("Run returns")
			d.check(t, "1s shutdown", "1s Run returns")
		})
	})
	t.Run("reports the error of one of them when the other is stuck", func(t *testing.T) {
		for name, pair := range map[string]func(stuck task) (execute, interrupt task){
			"execute fails": func(stuck task) (task, task) { return fails(s, errServe), stuck },
			"the interrupt does": func(stuck task) (task, task) {
				return stuck, func(context.Context) error { return errServe }
			},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					var g group.Group
					execute, interrupt := pair(func(context.Context) error { <-release; return nil })
					g.Add("pair", execute, interrupt)
					ctx, cancel := context.WithTimeout(context.Background(), 3*s)
					defer cancel()
					err := g.Run(ctx)
					close(release)
					var stuck *group.StuckError
					if !errors.Is(err, errServe) || !errors.As(err, &stuck) {
						t.Errorf("Run() = %v, want both errors", err)
					}
				})
			})
		}
	})
	t.Run("names a stuck interrupt with its stack", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var g group.Group
			g.Add("pair", succeeds, func(context.Context) error { blocked(release); return nil })
			err := g.Run(context.Background())
			close(release)
			checkStuckIn(t, err, "group_test.blocked")
		})
	})
}

func TestAddHTTPServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		time.Sleep(50 * time.Millisecond)
		_, _ = io.WriteString(w, "served")
	})}
	ctx, cancel := context.WithCancel(context.Background())
	var g group.Group
	g.Add("http", func(context.Context) error { return srv.Serve(ln) }, srv.Shutdown)
	result := make(chan error, 1)
	go func() { result <- g.Run(ctx) }()

	answer := make(chan string, 1)
	go func() { answer <- get(t, "http://"+ln.Addr().String()) }()
	<-entered
	cancel()
	if err := <-result; err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	if got := <-answer; got != "served" {
		t.Errorf("the request in flight got %q, want %q", got, "served")
	}
}

func get(t *testing.T, url string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func TestAddHTTPServerThatCannotListen(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	srv := &http.Server{Addr: ln.Addr().String()}
	var g group.Group
	g.Go("a", waits)
	g.Add("http", func(context.Context) error { return srv.ListenAndServe() }, srv.Shutdown)
	var e *group.TaskError
	if err := g.Run(context.Background()); !errors.As(err, &e) || e.Name != "http" {
		t.Errorf("Run() = %v, want the http task's error", err)
	}
}

func TestAddActor(t *testing.T) {
	errCause := errors.New("the reason")
	for _, tt := range []struct {
		name string
		stop func(g *group.Group, cancel context.CancelCauseFunc)
		want error
	}{
		{"gets the error of the task that failed", func(g *group.Group, _ context.CancelCauseFunc) {
			g.Go("bad", fails(s, errBoom))
		}, errBoom},
		{"gets nil where a task has returned nil", func(g *group.Group, _ context.CancelCauseFunc) {
			g.Go("done", fails(s, nil))
		}, nil},
		{"gets the cause of the end of the context", func(_ *group.Group, cancel context.CancelCauseFunc) {
			cancel(errCause)
		}, errCause},
		{"gets the error of another actor", func(g *group.Group, _ context.CancelCauseFunc) {
			g.AddActor("bad", func() error { return errBoom }, func(error) {})
		}, errBoom},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				var got []error
				quit := make(chan struct{})
				var g group.Group
				g.AddActor("actor", func() error { <-quit; return errors.New("ignored") }, func(err error) {
					got = append(got, err)
					close(quit)
				})
				wait := started(ctx, &g)
				tt.stop(&g, cancel)
				err := wait()
				if len(got) != 1 || got[0] != tt.want {
					t.Errorf("interrupt was called with %v, want once with %v", got, tt.want)
				}
				if tt.want == errBoom {
					checkFailures(t, err, "bad: boom")
				} else {
					checkFailures(t, err)
				}
			})
		})
	}
	t.Run("gets its own error", func(t *testing.T) {
		var got []error
		var g group.Group
		g.AddActor("actor", func() error { return errBoom }, func(err error) { got = append(got, err) })
		checkFailures(t, g.Run(context.Background()), "actor: boom")
		if len(got) != 1 || got[0] != errBoom {
			t.Errorf("interrupt was called with %v, want once with %v", got, errBoom)
		}
	})
}
