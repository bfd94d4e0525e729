package shutdown_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// The program in README.md.

// region service
func main() { os.Exit(shutdown.Main(run)) }

func run(ctx context.Context) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))

	var g group.Group
	g.Go("worker", worker.Run) // func(context.Context) error
	g.Go("http", httpdrain.Serve(&http.Server{Addr: addr, Handler: routes(db)}))
	return g.Run(ctx)
}

// endregion

// What the program uses. main is only compiled, since it ends the process.
var (
	_ = main

	dsn    = "postgres://localhost/orders"
	addr   = "127.0.0.1:0"
	worker = idleWorker{started: make(chan struct{})}
	routes = func(*sql.DB) http.Handler { return http.NotFoundHandler() }
)

type idleWorker struct{ started chan struct{} }

func (w idleWorker) Run(ctx context.Context) error {
	close(w.started)
	<-ctx.Done()
	return ctx.Err()
}

func init() { sql.Register("pgx", noDatabase{}) }

// noDatabase is a driver for a program that sends no query.
type noDatabase struct{}

func (noDatabase) Open(string) (driver.Conn, error) { return nil, errors.New("no database") }

func TestProgramOfTheREADME(t *testing.T) {
	worker.started = make(chan struct{})
	p := shutdowntest.Start(t, shutdowntest.New(t), run)
	<-worker.started
	p.Signal(syscall.SIGTERM)
	p.Clean()
	p.Order("http", "worker", "db")
}
