package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/fx"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// The program of fx with its constructors, and without its hooks.
//
// region fx-inject
func injectedWithFx(ctx context.Context, options ...fx.Option) error {
	var g group.Group
	app := fx.New(
		fx.NopLogger,
		fx.Supply(&g),
		fx.Provide(
			func() context.Context { return ctx }, // for constructors that open something
			injectDB, injectWorker, newServer,
		),
		fx.Invoke(injectServer),
		fx.Options(options...),
	)
	if err := app.Err(); err != nil { // of a constructor; handlers that were registered still run
		return err
	}
	return g.Run(ctx) // in place of app.Run
}

func injectDB(ctx context.Context) (*database, error) {
	db := &database{}
	if err := db.Open(ctx); err != nil {
		return nil, err
	}
	shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))
	return db, nil
}

func injectWorker(g *group.Group, db *database) *pool {
	p := &pool{jobs: make(chan job, 64), process: db.Process, record: db.Record}
	g.Go("worker", p.work)
	return p
}

// The server sends jobs to the worker. So it takes the worker as an argument, and is added after
// it.
func injectServer(g *group.Group, srv *http.Server, p *pool) {
	srv.Handler = http.HandlerFunc(p.post)
	g.Go("http", httpdrain.Serve(srv))
}

// endregion

func (db *database) Process(context.Context, job) error { return nil }

func (db *database) Record(_ context.Context, j job, err error) error {
	db.events.add(fmt.Sprintf("job %d: %v", j, err))
	return nil
}

// The parts stop in the reverse order of their construction, which follows from their
// dependencies, and no accepted job is lost.
func TestFxInject(t *testing.T) {
	var db *database
	const jobs = 20
	want := []string{"opened"}
	for i := range jobs {
		want = append(want, fmt.Sprintf("job %d: <nil>", i))
	}
	want = append(want, "closed")

	sent := make(chan struct{})
	p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
		return injectedWithFx(ctx, fx.Populate(&db), fx.Invoke(func(p *pool) {
			for i := range jobs {
				p.jobs <- job(i)
			}
			close(sent)
		}))
	})
	<-sent
	p.Signal(syscall.SIGTERM)
	p.Clean()
	p.Order("main", "http", "worker", "db")
	if diff := cmp.Diff(want, db.events.list()); diff != "" {
		t.Errorf("the database has seen other events (-want +got):\n%s", diff)
	}
}

// If a constructor fails, or a signal comes while one waits, the parts that were constructed
// before it are closed, and no task is begun.
func TestFxInjectStart(t *testing.T) {
	errQueue := errors.New("no such queue")
	for _, tt := range []struct {
		name   string
		signal bool
		code   int
	}{
		{"a constructor fails", false, 1},
		{"a signal comes while a constructor waits", true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var db *database
			waiting := make(chan struct{})
			p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
				return injectedWithFx(ctx, fx.Invoke(func(ctx context.Context, built *database) error {
					db = built
					close(waiting)
					if !tt.signal {
						return errQueue
					}
					<-ctx.Done()
					return ctx.Err()
				}))
			})
			<-waiting
			if tt.signal {
				p.Signal(syscall.SIGTERM)
			}
			report := p.Wait()
			if got := report.ExitCode(); got != tt.code {
				t.Errorf("exit code %d, want %d: %v", got, tt.code, report.Err())
			}
			if !tt.signal && !errors.Is(report.Cause, errQueue) {
				t.Errorf("cause %v, want %v", report.Cause, errQueue)
			}
			if diff := cmp.Diff([]string{"opened", "closed"}, db.events.list()); diff != "" {
				t.Errorf("the database has seen other events (-want +got):\n%s", diff)
			}
			var steps []string
			for _, s := range report.Steps {
				steps = append(steps, s.Name)
			}
			if diff := cmp.Diff([]string{"main", "db"}, steps); diff != "" {
				t.Errorf("the steps differ (-want +got):\n%s", diff)
			}
		})
	}
}
