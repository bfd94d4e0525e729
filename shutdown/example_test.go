package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// silent returns a Coordinator without a log and signals, so that the examples have the same
// output everywhere. A program uses shutdown.Main, or its own &shutdown.Coordinator{}.
func silent() *shutdown.Coordinator {
	logger := zerolog.Nop()
	return &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &logger}
}

// sayLine returns a handler that prints a line.
func sayLine(line string) func(context.Context) error {
	return func(context.Context) error {
		fmt.Println(line)
		return nil
	}
}

// The main function of a program calls Main with a function that does the work. The context of
// that function ends at Ctrl-C or SIGTERM; here the function returns before. The program prints:
//
//	working
//	database closed
func ExampleMain() {
	run := func(ctx context.Context) error {
		shutdown.Register(func(context.Context) error {
			fmt.Println("database closed")
			return nil
		}, shutdown.Name("db"))

		fmt.Println("working")
		return ctx.Err() // nil, or the reason to stop early
	}
	os.Exit(shutdown.Main(run))
}

// Handlers run when main has returned, newest first. The cache uses the database, so it is
// registered later and flushed earlier. A handler that fails is logged, and the exit status is 1;
// the next handler still runs. The program prints:
//
//	cache: disk full
//	database closed
func ExampleRegister() {
	run := func(context.Context) error {
		shutdown.Register(func(context.Context) error {
			fmt.Println("database closed")
			return nil
		}, shutdown.Name("db"))
		shutdown.Register(func(context.Context) error {
			fmt.Println("cache: disk full")
			return errors.New("disk full")
		}, shutdown.Name("cache"), shutdown.Timeout(5*time.Second))
		return nil
	}
	os.Exit(shutdown.Main(run))
}

// The examples that end the process are run as processes.
func init() {
	scenario("ExampleMain", ExampleMain)
	scenario("ExampleRegister", ExampleRegister)
}

func TestExamplesThatExit(t *testing.T) {
	p := start(t, "ExampleMain")
	p.exits(0)
	p.said("working", "database closed")

	p = start(t, "ExampleRegister")
	p.exits(1)
	p.said("cache: disk full", "database closed")
	p.logs("disk full", `"step":"cache"`)
}

// Run returns the report of the stop. Handlers run newest first.
func ExampleCoordinator_Run() {
	c := silent()
	report := c.Run(context.Background(), func(context.Context) error {
		c.Register(sayLine("close the database"))
		c.Register(sayLine("close the cache, which uses the database"))
		fmt.Println("main returns")
		return nil
	})
	for _, step := range report.Steps {
		fmt.Println(step.Kind, step.Outcome)
	}
	// Output:
	// main returns
	// close the cache, which uses the database
	// close the database
	// main ok
	// handler ok
	// handler ok
}

// A store has parts that can fail to open.
type store struct{ close func(context.Context) error }

func openStore(c *shutdown.Coordinator, broken bool) (*store, error) {
	scope := c.Scope("store")
	scope.Register(sayLine("close the file"))
	if broken {
		return nil, errors.Join(errors.New("no index"), scope.Close(context.Background()))
	}
	scope.Register(sayLine("close the index"))
	// Nothing failed: from now on the store owns its parts.
	return &store{scope.Release()}, nil
}

// A constructor uses a Scope to close the parts opened so far if the next one cannot be opened, or
// if the program stops meanwhile. If nothing fails, Release returns the function that closes the
// new object.
func ExampleScope_Release() {
	c := silent()
	_, err := openStore(c, true)
	fmt.Println("error:", err)

	s, _ := openStore(c, false)
	fmt.Println("opened")
	_ = s.close(context.Background())
	// Output:
	// close the file
	// error: no index
	// opened
	// close the index
	// close the file
}

// A task that must outlive main, such as a listener for metrics, is started on the Coordinator. It
// is told to stop when everything that was registered after it has ended.
func ExampleCoordinator_Start() {
	c := silent()
	listening := make(chan struct{})
	c.Start(func(ctx context.Context) error {
		fmt.Println("metrics: serving")
		close(listening)
		<-ctx.Done()
		fmt.Println("metrics: stopped")
		return nil
	}, shutdown.Name("metrics"))
	c.Run(context.Background(), func(context.Context) error {
		<-listening
		c.Register(sayLine("handler: the metrics are still there"))
		fmt.Println("main: done")
		return nil
	})
	// Output:
	// metrics: serving
	// main: done
	// handler: the metrics are still there
	// metrics: stopped
}

// Some libraries call back on goroutines of their own. With a Hold the handlers, which close what
// the callback uses, wait for the callback.
func ExampleCoordinator_Hold() {
	c := silent()
	c.Register(sayLine("close the database"))
	c.Run(context.Background(), func(context.Context) error {
		release, ok := c.Hold("callback")
		if !ok {
			return nil // too late to start
		}
		go func() {
			defer release()
			<-c.Stopping()
			fmt.Println("callback: done")
		}()
		fmt.Println("main returns")
		return nil
	})
	// Output:
	// main returns
	// callback: done
	// close the database
}

// The exit code of the program is that of the ExitError with which the stop is requested.
func ExampleCoordinator_Stop() {
	c := silent()
	report := c.Run(context.Background(), func(ctx context.Context) error {
		go c.Stop(&shutdown.ExitError{Code: 75, Err: errors.New("the upstream is gone")})
		<-ctx.Done()
		return ctx.Err()
	})
	fmt.Println(report.Err())
	fmt.Println("exit code", report.ExitCode())
	// Output:
	// the upstream is gone
	// exit code 75
}
