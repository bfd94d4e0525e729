package httpdrain_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

const stuckGrace = 4 * time.Second // so that even a busy machine has time to take the stacks between the deadline and the end

// A stuckIn has functions in which a handler hangs. They wait neither for the context of the request
// nor for its connection.
type stuckIn struct {
	mu sync.Mutex
	wg sync.WaitGroup
}

func (w *stuckIn) mutex()     { w.mu.Lock(); defer w.mu.Unlock() }
func (w *stuckIn) waitGroup() { w.wg.Wait() }
func (w *stuckIn) sleep()     { time.Sleep(stuckGrace + 500*time.Millisecond) } // returns by itself

// The report says what a stuck handler waits for: the server's step shows the handler's goroutine and
// not one of this package.
func TestStuckHandlerIsInTheReport(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wait  func(*stuckIn)
		wants [2]string // the function that waits, and the function of the handler that has called it
	}{
		{"mutex", (*stuckIn).mutex, [2]string{"sync.(*Mutex).Lock", "stuckIn).mutex"}},
		{"wait group", (*stuckIn).waitGroup, [2]string{"sync.(*WaitGroup).Wait", "stuckIn).waitGroup"}},
		{"sleep", (*stuckIn).sleep, [2]string{"time.Sleep", "stuckIn).sleep"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var w stuckIn
			w.mu.Lock()
			w.wg.Add(1)
			entered, returned := make(chan struct{}), make(chan struct{})
			p := run(t, stuckGrace, 0, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				defer close(returned)
				close(entered)
				tt.wait(&w)
			})})
			p.s.dial().get("/")
			<-entered
			p.Stop(nil)
			r := p.ended(t)
			w.mu.Unlock()
			w.wg.Done()
			<-returned
			got := httpStep(t, r)
			for _, want := range append(tt.wants[:], "httpdrain/stuck_test.go:") {
				if !strings.Contains(got.WaitsFor, want) {
					t.Errorf("WaitsFor = %q, want it to contain %q", got.WaitsFor, want)
				}
			}
		})
	}
}

// httpStep returns the step of the server.
func httpStep(t *testing.T, r *shutdown.Report) shutdown.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == "http" {
			return s
		}
	}
	t.Fatalf("no step named http in the report:\n%v", r)
	return shutdown.Step{}
}

// A stuckConn has a SyscallConn that blocks.
type stuckConn struct {
	net.Conn
	release <-chan struct{}
}

func (c *stuckConn) SyscallConn() (syscall.RawConn, error) {
	<-c.release
	return nil, errors.ErrUnsupported
}

// A connection whose SyscallConn blocks is closed unreadPause (10 ms) after its time has passed.
func TestConnectionWhoseSyscallConnBlocks(t *testing.T) {
	if !looksIntoKernel {
		t.Skip("not on this platform: the drain does not call SyscallConn")
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		l := shutdowntest.Listen(t)
		own := &ownListener{Listener: l, wrap: func(c net.Conn) net.Conn { return &stuckConn{c, release} }}
		p := shutdowntest.Start(t, nil, httpdrain.Serve(&http.Server{Handler: hello},
			httpdrain.Listener(own), httpdrain.Linger(100*time.Millisecond)))
		conn, err := l.DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c := talk(t, conn)
		c.get("/")
		c.answer()
		synctest.Wait()
		p.Stop(nil)
		told := time.Now()
		c.closed()
		if took, want := time.Since(told), 110*time.Millisecond; took != want {
			t.Errorf("closed after %v, want %v", took, want)
		}
		p.Clean()
	})
}

// A stuckListener blocks in Close or, if accept is set, in Accept once it is closed.
type stuckListener struct {
	*shutdowntest.Listener
	release <-chan struct{}
	accept  bool
}

func (l *stuckListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil && l.accept {
		<-l.release
	}
	return c, err
}

func (l *stuckListener) Close() error {
	err := l.Listener.Close()
	if !l.accept {
		<-l.release
	}
	return err
}

// If the listener's Close blocks, the server drains anyway, and the task's error names the Close.
func TestListenerThatDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		silent := zerolog.Nop()
		l := &stuckListener{Listener: shutdowntest.Listen(t), release: release}
		c := &shutdown.Coordinator{Grace: 20 * time.Second, Logger: &silent}
		var mon httpdrain.Monitor
		srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Second) })}
		p := shutdowntest.Start(t, c, httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Watch(&mon)))
		answered := make(chan error, 1)
		go func() {
			res, err := l.Client().Get("http://server/")
			if err == nil {
				res.Body.Close()
			}
			answered <- err
		}()
		synctest.Wait()
		p.Stop(nil)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if st := mon.Stats(); st.Finished != 1 || st.Idle+st.Active != 0 {
			t.Errorf("Stats() after the request = %+v, want 1 finished and no connection", st)
		}
		r := p.Wait()
		if got := r.Steps[0]; got.Outcome == shutdown.OutcomeAbandoned || !strings.Contains(r.String(), "the listener's Close has not returned") {
			t.Errorf("want a late step that names the listener:\n%v", r)
		}
		if r.Took > c.Grace {
			t.Errorf("took %v, want at most %v", r.Took, c.Grace)
		}
	})
}

// If the listener's Accept does not return, the server's step is abandoned. The contexts of its
// requests end before that.
func TestListenerWhoseAcceptDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		silent := zerolog.Nop()
		l := &stuckListener{Listener: shutdowntest.Listen(t), release: release, accept: true}
		c := &shutdown.Coordinator{Grace: 20 * time.Second, Logger: &silent}
		ended := make(chan error, 1)
		srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- context.Cause(r.Context())
		})}
		var called atomic.Bool
		c.Register(func(context.Context) error {
			called.Store(true)
			select {
			case err := <-ended:
				if !errors.Is(err, shutdown.ErrGrace) {
					t.Errorf("the request ended with %v, want ErrGrace", err)
				}
			default:
				t.Error("the handler was called before the request of the abandoned server had ended")
			}
			return nil
		})
		p := shutdowntest.Start(t, c, httpdrain.Serve(srv, httpdrain.Listener(l)))
		go func() {
			if res, err := l.Client().Get("http://server/"); err == nil {
				res.Body.Close()
			}
		}()
		synctest.Wait()
		p.Stop(nil)
		r := p.Wait()
		if got := r.Steps[0].Outcome; got != shutdown.OutcomeAbandoned || !called.Load() || r.Took > c.Grace {
			t.Errorf("want main abandoned, the handler called, and a drain of at most %v:\n%v", c.Grace, r)
		}
	})
}

// If the program is told to stop while the task waits for requests after a failure of the listener,
// the contexts of these requests end before the step's deadline.
func TestStopAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := zerolog.Nop()
		l := shutdowntest.Listen(t)
		own := &ownListener{Listener: l}
		c := &shutdown.Coordinator{Grace: 2 * time.Second, Logger: &silent}
		left := make(chan time.Duration, 1)
		srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			at, _ := group.WorkContext(r.Context()).Deadline()
			left <- time.Until(at)
		})}
		p := shutdowntest.Start(t, c, httpdrain.Serve(srv, httpdrain.Listener(own)))
		go func() {
			if res, err := l.Client().Get("http://server/"); err == nil {
				res.Body.Close()
			}
		}()
		synctest.Wait()
		broken := error(errors.New("broken"))
		own.err.Store(&broken)
		_ = l.Close()
		time.Sleep(500 * time.Millisecond)
		p.Stop(nil)
		// The step has 2 s, so its deadline is at 1.9 s. The contexts of the requests end a margin
		// before that.
		if got := <-left; got < 100*time.Millisecond {
			t.Errorf("the request's context ended %v before the step's deadline, want 120ms", got)
		}
		p.Wait()
	})
}

// The last status of the step says what the server has done.
func TestLastStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(2500 * time.Millisecond) })
		p := shutdowntest.Start(t, nil, httpdrain.Serve(&http.Server{Handler: slow}, httpdrain.Listener(l)))
		go func() {
			if res, err := l.Client().Get("http://server/"); err == nil {
				res.Body.Close()
			}
		}()
		synctest.Wait()
		p.Stop(nil)
		if got, want := p.Wait().Steps[0].Status, "1 request finished"; got != want {
			t.Errorf("Status = %q, want %q", got, want)
		}
	})
}
