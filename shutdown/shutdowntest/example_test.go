package shutdowntest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A printer takes the place of the *testing.T of a test, and prints failures.
type printer struct{ recorder }

func (p *printer) Errorf(format string, args ...any) {
	first, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	fmt.Println(first)
}

// A test stops a program by a signal and checks the order of its steps. The last check fails, to
// show the message.
func Example() {
	t := new(printer)
	defer t.end()

	p := shutdowntest.Start(t, shutdowntest.New(t), func(ctx context.Context) error {
		c := shutdown.FromContext(ctx)
		c.Register(func(context.Context) error { return nil }, shutdown.Name("db"))
		c.Register(func(context.Context) error { return nil }, shutdown.Name("cache"))
		<-ctx.Done()
		return nil
	})
	p.Signal(os.Interrupt)
	p.Clean()
	p.Order("main", "cache", "db")
	p.Order("main", "db", "cache")
	fmt.Println("exit code", p.ExitCode())
	// Output:
	// step "cache" did not begin after "db", want the order ["main" "db" "cache"]
	// exit code 0
}

// TestTask accepts a task if it stops when it is told to.
func ExampleTestTask() {
	t := new(printer)
	defer t.end()

	shutdowntest.TestTask(t, func() func(context.Context) error {
		return func(ctx context.Context) error {
			for {
				select {
				case <-time.After(time.Minute):
				case <-ctx.Done():
					return fmt.Errorf("worker: %w", ctx.Err())
				}
			}
		}
	})
	fmt.Println("accepted")
	// Output: accepted
}

// Load counts the requests that are lost while the server drains.
func ExampleLoad() {
	t := new(printer)
	defer t.end()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	load := shutdowntest.Load{URL: "http://" + listener.Addr().String() + "/orders"}
	srv := &http.Server{Handler: load.Handler(http.NewServeMux())}
	p := shutdowntest.Start(t, shutdowntest.New(t), httpdrain.Serve(srv, httpdrain.Listener(listener)))
	tally := load.Run(t, func() { p.Signal(syscall.SIGTERM); p.Wait() })
	fmt.Println("lost", tally.Lost)
	// Output: lost 0
}

// A test in a synctest bubble has virtual time: it does not wait, and durations are exact.
func ExampleListen() {
	_ = func(t *testing.T) { // the test
		synctest.Test(t, func(t *testing.T) {
			l := shutdowntest.Listen(t)
			slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) })
			p := shutdowntest.Start(t, shutdowntest.New(t), func(ctx context.Context) error {
				var g group.Group
				g.Go("http", httpdrain.Serve(&http.Server{Handler: slow}, httpdrain.Listener(l)))
				return g.Run(ctx)
			})
			go func() {
				res, err := l.Client().Get("http://server/")
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			}()
			time.Sleep(time.Second)
			p.Signal(syscall.SIGTERM)
			p.Within(2 * time.Second)
			p.Clean()
		})
	}
}

// A test builds the program, runs it, and sends it a signal.
func ExampleExec() {
	_ = func(t *testing.T) { // the test
		p := shutdowntest.Exec(t, exec.Command(shutdowntest.Build(t, "./cmd/server"), "-grace", "5s"))
		p.Expect("listening")
		p.Signal(syscall.SIGTERM)
		if e := p.Wait(); e.Code != 0 || e.Took > 5*time.Second {
			t.Errorf("exit status %d after %v:\n%s", e.Code, e.Took, e.Output)
		}
	}
}
