package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A pool takes its jobs from a channel. What the channel has buffered exists nowhere else, so
// it has to be processed before the program ends.
type pool struct {
	serve   func(context.Context) error // httpdrain.Serve of a server whose handlers send jobs
	jobs    chan job
	process func(context.Context, job) error
	record  func(context.Context, job, error) error
	slow    time.Duration // how long a request takes before it sends its job
	client  *http.Client
}

// region channel
func (p *pool) run(ctx context.Context) error {
	var g group.Group
	g.Go("worker", p.work)
	g.Go("http", p.serve) // its handlers send the jobs; it is added last, so it stops first
	return g.Run(ctx)
}

func (p *pool) work(ctx context.Context) error {
	// When ctx ends, the server has stopped and no handler sends any more.
	for ctx.Err() == nil || len(p.jobs) > 0 {
		select {
		case j := <-p.jobs:
			p.attempt(group.WorkContext(ctx), j)
		case <-ctx.Done():
		}
	}
	return nil
}

// endregion

// The other shape of a worker: it goes on until the channel is closed. It is a pair of functions.
//
// region closed
func (p *pool) runUntilClosed(ctx context.Context) error {
	var g group.Group
	g.Add("worker", p.workUntilClosed, func(context.Context) error {
		close(p.jobs) // the server has stopped, so no handler sends any more
		return nil
	})
	g.Go("http", p.serve) // its handlers send the jobs; it is added last, so it stops first
	return g.Run(ctx)
}

func (p *pool) workUntilClosed(ctx context.Context) error {
	for j := range p.jobs {
		p.attempt(ctx, j) // the context of a pair ends at the deadline, not at the stop
	}
	return nil
}

// endregion

// region attempt
func (p *pool) attempt(ctx context.Context, j job) {
	err := p.process(ctx, j) // interrupted at the deadline, when ctx ends

	// The record must be written then too, so its context does not end with ctx. After the
	// deadline there are at most 500 ms until the worker is abandoned.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := p.record(ctx, j, err); err != nil {
		slog.Error("record not written", "job", j, "error", err)
	}
}

// endregion

// Each job that a request has left in the channel is processed once, and recorded once. Most
// of them are still in the channel when the program is asked to stop.
func TestChannel(t *testing.T) {
	for name, run := range shapes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const jobs = 24
				var got records
				p := &pool{
					jobs:    make(chan job, jobs),
					process: func(ctx context.Context, _ job) error { return sleep(ctx, 100*time.Millisecond) },
					record:  got.add,
				}
				prog := p.start(t, run, jobs)
				prog.Signal(syscall.SIGTERM)
				if left := len(p.jobs); left < jobs/2 {
					t.Fatalf("%d jobs buffered at the stop, want at least %d", left, jobs/2)
				}
				prog.Clean()
				for i := range jobs {
					if ends := got.of(job(i)); len(ends) != 1 || ends[0] != nil {
						t.Errorf("job %d was recorded as %v, want once, with nil", i, ends)
					}
				}
			})
		})
	}
}

// A request that is in flight at the stop sends its job later. The job is processed only if the
// worker stops after the server. In the opposite order it is accepted and lost, and the exit
// status is 0.
func TestOrderOfWorkerAndServer(t *testing.T) {
	serverFirst := func(p *pool, ctx context.Context) error {
		var g group.Group
		g.Go("http", p.serve)
		g.Go("worker", p.work)
		return g.Run(ctx)
	}
	for _, tt := range []struct {
		name      string
		run       func(*pool, context.Context) error
		processed int
	}{
		{"the worker is added first", (*pool).run, 1},
		{"the worker is added first, as a pair", (*pool).runUntilClosed, 1},
		{"the server is added first", serverFirst, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got records
				p := &pool{
					jobs:    make(chan job, 1),
					slow:    time.Second,
					process: func(context.Context, job) error { return nil },
					record:  got.add,
				}
				prog := p.start(t, tt.run, 0)
				accepted := make(chan error)
				go func() { accepted <- p.send(0) }()
				synctest.Wait() // until the handler works on the request
				prog.Signal(syscall.SIGTERM)
				if err := <-accepted; err != nil {
					t.Error(err)
				}
				prog.Clean()
				if n := len(got.of(0)); n != tt.processed {
					t.Errorf("the accepted job was processed %d times, want %d", n, tt.processed)
				}
			})
		})
	}
}

// Where the deadline interrupts the jobs, each has its record, and the report says that the
// worker was late.
func TestAttempt(t *testing.T) {
	for name, run := range shapes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const jobs = 30
				var got records
				p := &pool{
					jobs:    make(chan job, jobs),
					process: func(ctx context.Context, _ job) error { return sleep(ctx, time.Hour) },
					record: func(ctx context.Context, j job, err error) error {
						if err := sleep(ctx, time.Millisecond); err != nil { // as a database would take
							return err
						}
						return got.add(ctx, j, err)
					},
				}
				prog := p.start(t, run, jobs)
				prog.Signal(syscall.SIGTERM)
				report := prog.Wait()
				for i := range jobs {
					if ends := got.of(job(i)); len(ends) != 1 || !errors.Is(ends[0], shutdown.ErrGrace) {
						t.Errorf("job %d was recorded as %v, want once, with ErrGrace", i, ends)
					}
				}
				var outcome shutdown.Outcome
				for _, s := range report.Steps {
					if s.Name == "worker" {
						outcome = s.Outcome
					}
				}
				if outcome != shutdown.OutcomeLate || report.Took > report.Grace {
					t.Errorf("worker is %v after %v, want late within %v", outcome, report.Took, report.Grace)
				}
			})
		})
	}
}

// shapes are the two kinds of worker.
var shapes = map[string]func(*pool, context.Context) error{
	"until it is told to stop":    (*pool).run,
	"until its channel is closed": (*pool).runUntilClosed,
}

// start runs the pool, and sends it jobs by requests to its server.
func (p *pool) start(t *testing.T, run func(*pool, context.Context) error, jobs int) *shutdowntest.Program {
	l := shutdowntest.Listen(t)
	p.client = l.Client()
	p.serve = httpdrain.Serve(&http.Server{Handler: http.HandlerFunc(p.post)}, httpdrain.Listener(l))
	prog := shutdowntest.Start(t, nil, func(ctx context.Context) error { return run(p, ctx) })
	for n := range jobs {
		if err := p.send(n); err != nil {
			t.Fatal(err)
		}
	}
	return prog
}

func (p *pool) send(n int) error {
	res, err := p.client.Get(fmt.Sprintf("http://pool/?n=%d", n))
	if err != nil {
		return err
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("job %d: %s, want 202", n, res.Status)
	}
	return nil
}

func (p *pool) post(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	time.Sleep(p.slow)
	select {
	case p.jobs <- job(n):
		w.WriteHeader(http.StatusAccepted)
	case <-r.Context().Done():
		http.Error(w, "the queue is full", http.StatusServiceUnavailable)
	}
}

// records are how the attempts at each job have ended.
type records struct {
	mu    sync.Mutex
	ended map[job][]error
}

func (r *records) add(ctx context.Context, j job, result error) error {
	if err := ctx.Err(); err != nil {
		return err // as a database would say
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == nil {
		r.ended = make(map[job][]error)
	}
	r.ended[j] = append(r.ended[j], result)
	return nil
}

func (r *records) of(j job) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended[j]
}
