package good

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"example.com/exit/helper"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/oklog/run"
	zlog "github.com/rs/zerolog/log"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/fx"
)

// Nobody misses these.
func harmless(mu *sync.Mutex, f *os.File, res *http.Response) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	mu.Lock()
	defer mu.Unlock()
	defer f.Close()
	defer res.Body.Close()
	defer println("bye")
	if ctx.Err() != nil {
		log.Fatal(ctx.Err())
	}
}

func earlier(dir string) {
	if err := work(); err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	println(dir)
}

func branch(dir string, keep bool) {
	if !keep {
		defer os.RemoveAll(dir)
	}
	if err := work(); err != nil {
		log.Fatal(err)
	}
}

func panics(dir string) {
	defer os.RemoveAll(dir)
	if err := work(); err != nil {
		panic(err)
	}
}

func goexit(dir string) {
	defer os.RemoveAll(dir)
	runtime.Goexit()
}

func logged(dir string) {
	defer os.RemoveAll(dir)
	if err := work(); err != nil {
		log.Print(err)
		zlog.Error().Err(err).Msg("no work")
	}
	helper.Log(errors.New("x"))
}

// The folder is removed by hand.
func returned(dir string) error {
	defer os.RemoveAll(dir)
	return work()
}

func outer(dir string) {
	if err := returned(dir); err != nil {
		log.Fatal(err)
	}
}

// What is deferred is so in another function.
func literal(dir string) {
	func() {
		defer os.RemoveAll(dir)
		println(dir)
	}()
	log.Fatal("no")
}

func readerOfHelper(r *helper.Reader) {
	defer r.Close()
	log.Fatal("no")
}

func connOfHelper(c *helper.Conn) {
	defer c.Close()
	log.Fatal("no")
}

// The goroutine may run long after this function has returned.
func starts(dir string) {
	defer os.RemoveAll(dir)
	go func() {
		if err := work(); err != nil {
			log.Fatal(err)
		}
	}()
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	dir, err := os.MkdirTemp("", "x")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	return work()
}}

func hook(lc fx.Lifecycle, tp *trace.TracerProvider) {
	if err := work(); err != nil {
		log.Fatal(err)
	}
	lc.Append(fx.Hook{OnStop: tp.Shutdown})
}

func actor() {
	var g run.Group
	g.Add(work, func(error) {})
	if err := g.Run(); err != nil {
		log.Fatal(err)
	}
}

func program(h func(context.Context) error) {
	shutdown.Register(h)
	os.Exit(shutdown.Main(func(ctx context.Context) error { return work() }))
}

func exits(h func(context.Context) error) {
	shutdown.Register(h)
	if work() != nil {
		shutdown.Exit(3)
	}
}

func work() error { return nil }
