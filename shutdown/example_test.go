package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// silent is a Coordinator that writes no log and waits for no signal, for the sake of
// the output of the examples. A program uses shutdown.Main, or its own
// &shutdown.Coordinator{}.
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

// Handlers run when main has returned, the last one registered first: what was opened
// first is closed last.
func ExampleCoordinator_Register() {
	c := silent()
	report := c.Run(context.Background(), func(context.Context) error {
		c.Register(sayLine("close the database"))
		c.Register(sayLine("close the cache, which uses the database"))
		fmt.Println("main returns")
		return nil
	})
	fmt.Println("exit code", report.ExitCode())
	// Output:
	// main returns
	// close the cache, which uses the database
	// close the database
	// exit code 0
}

// A store is made of parts that can fail to open.
type store struct{ close func(context.Context) error }

func openStore(c *shutdown.Coordinator, broken bool) (*store, error) {
	scope := c.Scope("store")
	scope.Register(sayLine("close the file"))
	if broken {
		return nil, errors.Join(errors.New("no index"), scope.Close(context.Background()))
	}
	scope.Register(sayLine("close the index"))
	// All went well: from now on the store owns its parts.
	return &store{scope.Release()}, nil
}

// In a constructor a Scope closes what has been opened so far, if the next step fails
// or the program ends meanwhile; with Release it becomes the Close of the new object.
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

// What must outlive main, such as a listener for metrics, is started on the
// Coordinator: its turn to stop comes when everything registered after it is over.
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

// A library that starts goroutines of its own calls back at any time. With a Hold the
// handlers, which close what the callback uses, wait for it.
func ExampleCoordinator_Hold() {
	c := silent()
	c.Register(sayLine("close the database"))
	c.Run(context.Background(), func(context.Context) error {
		release, ok := c.Hold("callback")
		if !ok {
			return nil // too late to begin anything
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

// An ExitError sets the exit code of the program, from wherever the stop is asked for.
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
