package bad

import (
	"bufio"
	"compress/gzip"
	"context"
	"log"
	"net/http"
	"os"
	"runtime/pprof"
	"sync"

	"example.com/exit/helper"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/oklog/run"
	zlog "github.com/rs/zerolog/log"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

func tempDir(dir string) {
	defer os.RemoveAll(dir)
	if err := work(); err != nil {
		log.Fatal(err) // want `exit: log.Fatal ends the process without the call deferred at line \d+ \(os.RemoveAll\)`
	}
}

func osExit(f *os.File) {
	w := bufio.NewWriter(f)
	defer w.Flush()
	os.Exit(1) // want `exit: os.Exit ends the process without the call deferred at line \d+ \(bufio.Writer.Flush\)`
}

func inLiteral(tp *trace.TracerProvider, l *zap.Logger) {
	defer func() {
		if err := tp.Shutdown(context.TODO()); err != nil { // want `unbounded:`
			println(err.Error())
		}
	}()
	if err := work(); err != nil {
		l.Fatal(err.Error()) // want `exit: zap.Logger.Fatal ends the process without the call deferred at line \d+ \(trace.TracerProvider.Shutdown\)`
	}
}

func profile(f *os.File) {
	_ = pprof.StartCPUProfile(f)
	defer pprof.StopCPUProfile()
	if err := work(); err != nil {
		logrus.Fatal(err) // want `exit: logrus.Fatal ends the process without the call deferred at line \d+ \(pprof.StopCPUProfile\)`
	}
}

func chained(f *os.File) {
	z := gzip.NewWriter(f)
	defer z.Close()
	if err := work(); err != nil {
		zlog.Fatal().Err(err).Msg("no work") // want `exit: zerolog's Fatal ends the process without the call deferred at line \d+ \(gzip.Writer.Close\)`
	}
}

func twice(wg *sync.WaitGroup) {
	defer wg.Wait()
	if err := work(); err != nil {
		klog.Exitf("no work: %v", err) // want `exit: klog.Exitf ends the process without the call deferred at line \d+ \(sync.WaitGroup.Wait\).*, and so in 1 more places`
	}
	if err := work(); err != nil {
		klog.Exitf("no work: %v", err)
	}
}

func dies(dir string) {
	defer os.RemoveAll(dir)
	helper.Die("now") // want `exit: helper.Die \(os.Exit\) ends the process without the call deferred`
}

func checked(dir string) {
	defer os.RemoveAll(dir)
	helper.Check(work()) // want `exit: helper.Check \(log.Fatal\) may end the process without the call deferred`
}

func cleanupOfHelper() {
	dir, cleanup := helper.TempDir()
	defer cleanup()
	log.Fatalln(dir) // want `exit: log.Fatalln ends the process without the call deferred at line \d+ \(os.RemoveAll\)`
}

func closerOfHelper(s *helper.Store) {
	defer s.Close()
	log.Fatalf("no") // want `exit: log.Fatalf ends the process without the call deferred at line \d+ \(os.Remove\)`
}

func ownHelper(dir string) {
	defer remove(dir)
	if work() != nil {
		fatal() // want `exit: bad.fatal \(log.Fatal\) ends the process without the call deferred at line \d+ \(os.RemoveAll\)`
	}
}

func remove(dir string) { _ = os.RemoveAll(dir) }
func fatal()            { log.Fatal("no") }

var command = &cobra.Command{Run: func(cmd *cobra.Command, args []string) {
	dir, _ := os.MkdirTemp("", "x")
	defer os.RemoveAll(dir)
	if err := work(); err != nil {
		cobra.CheckErr(err) // want `exit: cobra.CheckErr may end the process`
	}
}}

var serve = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	srv := &http.Server{}
	tp := trace.NewTracerProvider()
	defer tp.Shutdown(cmd.Context())
	go func() {
		if err := srv.ListenAndServe(); err != nil {
			log.Fatal(err) // want `exit: log.Fatal ends the process without the call deferred at line \d+ \(trace.TracerProvider.Shutdown\)`
		}
	}()
	return work()
}}

func methodValue(w *bufio.Writer, l *log.Logger) {
	flush, die := w.Flush, l.Fatal
	defer flush()
	die("no") // want `exit: log.Logger.Fatal ends the process without the call deferred at line \d+ \(bufio.Writer.Flush\)`
}

func hook(lc fx.Lifecycle, srv *http.Server) {
	lc.Append(fx.Hook{OnStart: func(context.Context) error {
		go func() {
			if err := srv.ListenAndServe(); err != http.ErrServerClosed {
				log.Fatal(err) // want `exit: log.Fatal ends the process without the OnStop hooks of the others`
			}
		}()
		return nil
	}})
}

func actor() error {
	var g run.Group
	g.Add(func() error {
		if err := work(); err != nil {
			log.Fatal(err) // want `exit: log.Fatal ends the process without the interrupts of the other actors`
		}
		return nil
	}, func(error) {})
	return g.Run()
}

func registered(h func(context.Context) error) {
	shutdown.Register(h)
	if work() != nil {
		os.Exit(3) // want `exit: os.Exit ends the process without the handler registered at line \d+; call shutdown.Exit`
	}
}

func program() int {
	return shutdown.Main(func(ctx context.Context) error {
		if err := work(); err != nil {
			log.Fatal(err) // want `exit: log.Fatal ends the process without the drain`
		}
		return nil
	})
}

func work() error { return nil }
