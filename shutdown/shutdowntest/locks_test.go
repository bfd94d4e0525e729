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

// An askingTest calls ask in Errorf. That blocks if Errorf is called with a lock held.
type askingTest struct {
	recorder
	ask func()
}

func (c *askingTest) Errorf(format string, args ...any) {
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

// unknownSignal is a signal that cannot be sent.
type unknownSignal struct{}

func (unknownSignal) String() string { return "unknown" }
func (unknownSignal) Signal()        {}

func init() {
	scenarios["a program that waits"] = func() { time.Sleep(time.Minute) }
}

func TestErrorfMayUseTheProcess(t *testing.T) {
	c := new(askingTest)
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
	c := new(askingTest)
	p := shutdowntest.Start(c, nil, func(ctx context.Context) error { <-ctx.Done(); return nil })
	defer c.end()
	c.ask = func() { within(t, "Errorf", func() { p.Signal(os.Interrupt) }) }
	p.Signal(unknownSignal{})
	p.Wait()
	c.want(t, "handles")
}

// A countingError calls the Load in its Error method.
type countingError struct{ count func() }

func (e countingError) Error() string { e.count(); return "no network" }

// The error of Dial, Executed and Errorf may call methods of the Load.
func TestLoadCallsUserCodeWithoutLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		var load *shutdowntest.Load
		count := func() { // it takes the lock of the Load
			load.Handler(http.NotFoundHandler()).ServeHTTP(nullWriter{}, &http.Request{Header: http.Header{}})
		}
		load = &shutdowntest.Load{
			URL: "http://server/", Clients: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, countingError{count} },
		}
		load.Handler(nil)
		c := &askingTest{ask: count}
		load.Run(c, func() {})
		c.want(t, "0 responses before the stop, want 100: Post \"http://server/\": no network")

		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })}
		go func() { _ = srv.Serve(l) }()
		executed := 0
		load = &shutdowntest.Load{
			URL: "http://server/", Clients: 1, Dial: l.DialContext,
			Executed: func(string) bool { count(); executed++; return true },
		}
		load.Handler(nil)
		c = &askingTest{ask: count}
		tally := load.Run(c, func() { _ = srv.Close() })
		if executed == 0 || tally.LostExecuted != executed || len(c.failures) != 2 {
			t.Errorf("Executed was called %d times; %+v; %q", executed, tally, c.failures)
		}
	})
}

// nullWriter is a ResponseWriter that does nothing.
type nullWriter struct{}

func (nullWriter) Header() http.Header         { return http.Header{} }
func (nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (nullWriter) WriteHeader(int)             {}
