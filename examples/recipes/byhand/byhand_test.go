package byhand_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type database struct{ events *[]string }

func (d database) Close() error {
	*d.events = append(*d.events, "db closed")
	return nil
}

type program struct{ events []string }

func (p *program) openDB() (io.Closer, error) { return database{&p.events}, nil }

func (p *program) work(ctx context.Context) error {
	<-ctx.Done()
	p.events = append(p.events, "worker ended")
	return nil
}

func newServer() *http.Server {
	return &http.Server{Addr: "127.0.0.1:0", Handler: http.NotFoundHandler()}
}

// before is the usual main function. parent is context.Background there.
func (p *program) before(parent context.Context) {
	openDB, work := p.openDB, p.work
	// region before
	db, err := openDB()
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	defer stop()

	srv := newServer()
	go func() {
		if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := work(ctx); err != nil {
			log.Print(err)
		}
	})

	<-ctx.Done()
	timeout, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := srv.Shutdown(timeout); err != nil {
		log.Print(err)
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		log.Print(err)
	}
	// endregion
}

// after is the function that shutdown.Main calls.
func (p *program) after() func(context.Context) error {
	openDB, work := p.openDB, p.work
	// region after
	run := func(ctx context.Context) error {
		db, err := openDB()
		if err != nil {
			return err
		}
		shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))

		var g group.Group
		g.Go("worker", work)
		g.Go("http", httpdrain.Serve(newServer()))
		return g.Run(ctx)
	}
	// endregion
	return run
}

// Both stop in the same order.
func TestByHand(t *testing.T) {
	want := fmt.Sprint([]string{"worker ended", "db closed"})

	var p program
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	p.before(ctx)
	if got := fmt.Sprint(p.events); got != want {
		t.Errorf("before: %s, want %s", got, want)
	}

	p = program{}
	running := shutdowntest.Start(t, nil, p.after())
	running.Signal(os.Interrupt)
	running.Clean()
	if got := fmt.Sprint(p.events); got != want {
		t.Errorf("after: %s, want %s", got, want)
	}
}

// http.ErrServerClosed is no failure of a server that was told to stop.
func TestErrServerClosed(t *testing.T) {
	for name, add := range map[string]func(g *group.Group, srv *http.Server){
		"httpdrain": func(g *group.Group, srv *http.Server) {
			// region drain
			g.Go("http", httpdrain.Serve(srv))
			// endregion
		},
		"pair": func(g *group.Group, srv *http.Server) {
			// region pair
			serve := func(context.Context) error { return srv.ListenAndServe() }
			g.Add("http", serve, srv.Shutdown)
			// endregion
		},
	} {
		t.Run(name, func(t *testing.T) {
			listening := make(chan struct{})
			srv := newServer()
			p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
				var g group.Group
				add(&g, srv)
				close(listening)
				return g.Run(ctx)
			})
			<-listening
			p.Stop(nil)
			p.Clean()
		})
	}
}
