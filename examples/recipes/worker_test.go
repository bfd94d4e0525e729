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

// A worker that takes its jobs from a queue outside of the program. A job that it has not
// taken stays there, for another process or the next start.
type worker struct {
	queue interface {
		Next(context.Context) (job, error)
	}
	process func(context.Context, job) error
}

// region worker
func (w *worker) run(ctx context.Context) error {
	for {
		job, err := w.queue.Next(ctx) // returns when the worker is told to stop
		if err != nil {
			return err
		}
		// The work context goes on until the deadline, so that the job is finished.
		if err := w.process(group.WorkContext(ctx), job); err != nil {
			return err
		}
	}
}

// endregion

// A pool takes its jobs from a channel. What the channel has buffered exists nowhere else, so
// it has to be processed before the program ends.
type pool struct {
	serve   func(context.Context) error // httpdrain.Serve of a server whose handlers send jobs
	jobs    chan job
	process func(context.Context, job) error
	record  func(context.Context, job, error) error
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

// The job in hand is finished, and no other is taken.
func TestWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished, queued int
		q := queueFunc(func(ctx context.Context) (job, error) {
			queued++
			return job(queued), ctx.Err()
		})
		w := &worker{queue: q, process: func(ctx context.Context, _ job) error {
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
			finished++
			return nil
		}}
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			g.Go("worker", w.run)
			return g.Run(ctx)
		})
		time.Sleep(2500 * time.Millisecond)
		p.Signal(syscall.SIGTERM)
		p.Clean()
		if finished != 3 {
			t.Errorf("%d jobs finished, want 3", finished)
		}
	})
}

// Each job that a request has left in the channel is processed once, and recorded once. Most
// of them are still in the channel when the program is asked to stop.
func TestChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs = 24
		var got records
		p := &pool{
			jobs:    make(chan job, jobs),
			process: func(ctx context.Context, _ job) error { return sleep(ctx, 100*time.Millisecond) },
			record:  got.add,
		}
		prog := p.start(t, jobs)
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
}

// Where the deadline interrupts the jobs, each has its record, and the report says that the
// worker was late.
func TestAttempt(t *testing.T) {
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
		prog := p.start(t, jobs)
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
}

// A job is a number here.
type job int

type queueFunc func(context.Context) (job, error)

func (f queueFunc) Next(ctx context.Context) (job, error) { return f(ctx) }

// start runs the pool, and sends it jobs by requests to its server.
func (p *pool) start(t *testing.T, jobs int) *shutdowntest.Program {
	l := shutdowntest.Listen(t)
	p.serve = httpdrain.Serve(&http.Server{Handler: http.HandlerFunc(p.post)}, httpdrain.Listener(l))
	prog := shutdowntest.Start(t, nil, p.run)
	for n := range jobs {
		res, err := l.Client().Get(fmt.Sprintf("http://pool/?n=%d", n))
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusAccepted {
			t.Fatalf("job %d: %s, want 202", n, res.Status)
		}
	}
	return prog
}

func (p *pool) post(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
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

// sleep waits, but no longer than until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A ticker.
func Example_ticker() {
	refreshed := make(chan struct{})
	first := sync.OnceFunc(func() { fmt.Println("refreshed"); close(refreshed) })
	refresh := func(context.Context) error { first(); return nil }

	// region ticker
	ticker := func(ctx context.Context) error {
		t := time.NewTicker(30 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := refresh(group.WorkContext(ctx)); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	}
	// endregion
	stopAfter(refreshed, func(ctx context.Context) error {
		var g group.Group
		g.Go("refresh", ticker)
		return g.Run(ctx)
	})
	// Output: refreshed
}
