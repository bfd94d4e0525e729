package shutdowntest_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A curious test uses what it tests when that fails, which waits for ever where a lock is held.
type curious struct {
	recorder
	ask func()
}

func (c *curious) Errorf(format string, args ...any) {
	c.recorder.Errorf(format, args...)
	c.ask()
}

// within fails if f does not return.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Errorf("%s was called with a lock held", what)
	}
}

// unknownSignal is one that nothing can be sent.
type unknownSignal struct{}

func (unknownSignal) String() string { return "unknown" }
func (unknownSignal) Signal()        {}

func init() {
	scenarios["a program that waits"] = func() { time.Sleep(time.Minute) }
}

func TestErrorfMayUseTheProcess(t *testing.T) {
	c := new(curious)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scenarioVariable+"=a program that waits")
	p := shutdowntest.Exec(c, cmd)
	defer c.end()
	c.ask = func() {
		within(t, "Errorf", func() { p.Signal(os.Kill); p.Wait() })
	}
	p.Signal(unknownSignal{})
	c.want(t, "signal unknown")
}

func TestErrorfMaySignalTheProgram(t *testing.T) {
	c := new(curious)
	p := shutdowntest.Start(c, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	defer c.end()
	c.ask = func() { within(t, "Errorf", func() { p.Signal(os.Interrupt) }) }
	p.Signal(unknownSignal{})
	p.Wait()
	c.want(t, "hears")
}

// A countingError uses the Load when it is printed.
type countingError struct{ count func() }

func (e countingError) Error() string { e.count(); return "no network" }

// What a user gives to a Load may use that: the error of Dial, Executed, and Errorf.
func TestALoadCallsNothingWithALockHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		var load *shutdowntest.Load
		count := func() { // takes the Load's lock
			load.Handler(http.NotFoundHandler()).ServeHTTP(nowhere{}, &http.Request{Header: http.Header{}})
		}
		load = &shutdowntest.Load{
			URL: "http://server/", Clients: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, countingError{count} },
		}
		load.Handler(nil)
		c := &curious{ask: count}
		load.Run(c, func() {})
		c.want(t, "there were 0 answers before the stop, want 100: Post \"http://server/\": no network")

		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })}
		go func() { _ = srv.Serve(l) }()
		executed := 0
		load = &shutdowntest.Load{
			URL: "http://server/", Clients: 1, Dial: l.DialContext,
			Executed: func(string) bool { count(); executed++; return true },
		}
		load.Handler(nil)
		c = &curious{ask: count}
		tally := load.Run(c, func() { _ = srv.Close() })
		if executed == 0 || tally.LostExecuted != executed || len(c.failures) != 2 {
			t.Errorf("Executed was called %d times; %+v; %q", executed, tally, c.failures)
		}
	})
}

// nowhere is a ResponseWriter.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}
