package httpdrain_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
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

// A lockChecker has types whose methods call the Monitor and the Coordinator. Such a call blocks
// if httpdrain calls the method with a lock held.
type lockChecker struct {
	t     *testing.T
	mon   httpdrain.Monitor
	c     *shutdown.Coordinator
	calls sync.Map // names of methods

	release chan struct{} // of the slow request
}

// check takes all locks.
func (k *lockChecker) check(method string) {
	if _, known := k.calls.LoadOrStore(method, true); known {
		return
	}
	free := make(chan struct{})
	go func() {
		defer close(free)
		k.mon.Stats()
		k.c.Ready()
	}()
	select {
	case <-free:
	case <-time.After(patience / 10):
		var b [4096]byte
		k.t.Errorf("%s was called with a lock held:\n%s", method, b[:runtime.Stack(b[:], false)])
	}
}

type checkedListener struct {
	net.Listener
	k      *lockChecker
	failed atomic.Bool
}

func (l *checkedListener) Accept() (net.Conn, error) {
	l.k.check("Accept")
	if !l.failed.Swap(true) {
		return nil, checkedError{l.k}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &checkedConn{c, l.k}, nil
}

func (l *checkedListener) Addr() net.Addr { l.k.check("listener's Addr"); return l.Listener.Addr() }
func (l *checkedListener) Close() error   { l.k.check("listener's Close"); return l.Listener.Close() }

type checkedError struct{ k *lockChecker }

func (e checkedError) Error() string   { e.k.check("Error"); return "try again" }
func (e checkedError) Temporary() bool { e.k.check("Temporary"); return true }

type checkedConn struct {
	net.Conn
	k *lockChecker
}

func (c *checkedConn) Read(b []byte) (int, error)  { c.k.check("Read"); return c.Conn.Read(b) }
func (c *checkedConn) Write(b []byte) (int, error) { c.k.check("Write"); return c.Conn.Write(b) }
func (c *checkedConn) Close() error                { c.k.check("Close"); return c.Conn.Close() }
func (c *checkedConn) LocalAddr() net.Addr         { c.k.check("LocalAddr"); return c.Conn.LocalAddr() }

func (c *checkedConn) RemoteAddr() net.Addr { c.k.check("RemoteAddr"); return c.Conn.RemoteAddr() }

func (c *checkedConn) SetDeadline(t time.Time) error {
	c.k.check("SetDeadline")
	return c.Conn.SetDeadline(t)
}

func (c *checkedConn) SetReadDeadline(t time.Time) error {
	c.k.check("SetReadDeadline")
	return c.Conn.SetReadDeadline(t)
}

func (c *checkedConn) SetWriteDeadline(t time.Time) error {
	c.k.check("SetWriteDeadline")
	return c.Conn.SetWriteDeadline(t)
}

func (c *checkedConn) SyscallConn() (syscall.RawConn, error) {
	c.k.check("SyscallConn")
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	return checkedRaw{raw, c.k}, err
}

type checkedRaw struct {
	syscall.RawConn
	k *lockChecker
}

func (r checkedRaw) Control(f func(uintptr)) error { r.k.check("Control"); return r.RawConn.Control(f) }

type checkedContext struct {
	context.Context
	k *lockChecker
}

func (c checkedContext) Deadline() (time.Time, bool) {
	c.k.check("Deadline")
	return c.Context.Deadline()
}
func (c checkedContext) Done() <-chan struct{} { c.k.check("Done"); return c.Context.Done() }
func (c checkedContext) Err() error            { c.k.check("Err"); return c.Context.Err() }
func (c checkedContext) Value(key any) any     { c.k.check("Value"); return c.Context.Value(key) }

func (k *lockChecker) Write(b []byte) (int, error) { k.check("ErrorLog"); return len(b), nil }

func (k *lockChecker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.check("handler")
	if r.URL.Path == "/slow" {
		<-k.release
	}
	_, _ = io.WriteString(w, "hello")
}

// server returns a server with every hook that a user can set.
func (k *lockChecker) server() *http.Server {
	srv := &http.Server{
		Handler: k, ErrorLog: log.New(k, "", 0),
		BaseContext: func(net.Listener) context.Context {
			k.check("BaseContext")
			return checkedContext{context.Background(), k}
		},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { k.check("ConnContext"); return ctx },
		ConnState:   func(net.Conn, http.ConnState) { k.check("ConnState") },
	}
	srv.RegisterOnShutdown(func() { k.check("RegisterOnShutdown") })
	return srv
}

// httpdrain calls no code of the user's with a lock held, neither in a drain nor at the deadline.
func TestNoUserCodeIsCalledWithALockHeld(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]time.Duration{"drained": patience, "deadline": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent := zerolog.Nop()
			k := &lockChecker{t: t, c: &shutdown.Coordinator{Grace: grace, Logger: &silent}, release: make(chan struct{})}
			release := sync.OnceFunc(func() { close(k.release) })
			t.Cleanup(release)
			l := listen(t)
			p := shutdowntest.Start(t, k.c, httpdrain.Serve(k.server(), httpdrain.Listener(&checkedListener{Listener: l, k: k}),
				httpdrain.Watch(&k.mon), httpdrain.Linger(50*time.Millisecond)))
			kept, slow := dial(t, "tcp", l.Addr().String()), dial(t, "tcp", l.Addr().String())
			kept.get("/")
			kept.answer()
			slow.get("/slow")
			for k.mon.Stats().Requests == 0 {
				time.Sleep(time.Millisecond)
			}
			p.Stop(nil)
			kept.closed()
			if name == "drained" {
				release()
				slow.answer()
				p.Clean()
			}
			p.Wait()
			methods := []string{
				"Accept", "listener's Close", "Error", "Temporary", "Read", "Write", "Close", "RemoteAddr", "SetReadDeadline",
				"Done", "Value", "ErrorLog", "handler", "BaseContext", "ConnContext", "ConnState", "RegisterOnShutdown",
			}
			if looksIntoKernel {
				methods = append(methods, "SyscallConn", "Control")
			}
			for _, method := range methods {
				if _, called := k.calls.Load(method); !called {
					t.Errorf("%s was never called", method)
				}
			}
		})
	}
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
