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

// A locksmith has types that use the server and the program in every method that httpdrain
// may call: that waits for ever where a lock is held.
type locksmith struct {
	t     *testing.T
	mon   httpdrain.Monitor
	c     *shutdown.Coordinator
	calls sync.Map // names of methods

	release chan struct{} // of the slow request
}

// try takes all locks.
func (k *locksmith) try(method string) {
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

type smithListener struct {
	net.Listener
	k      *locksmith
	failed atomic.Bool
}

func (l *smithListener) Accept() (net.Conn, error) {
	l.k.try("Accept")
	if !l.failed.Swap(true) {
		return nil, smithError{l.k}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &smithConn{c, l.k}, nil
}

func (l *smithListener) Addr() net.Addr { l.k.try("listener's Addr"); return l.Listener.Addr() }
func (l *smithListener) Close() error   { l.k.try("listener's Close"); return l.Listener.Close() }

type smithError struct{ k *locksmith }

func (e smithError) Error() string   { e.k.try("Error"); return "try again" }
func (e smithError) Temporary() bool { e.k.try("Temporary"); return true }

type smithConn struct {
	net.Conn
	k *locksmith
}

func (c *smithConn) Read(b []byte) (int, error)  { c.k.try("Read"); return c.Conn.Read(b) }
func (c *smithConn) Write(b []byte) (int, error) { c.k.try("Write"); return c.Conn.Write(b) }
func (c *smithConn) Close() error                { c.k.try("Close"); return c.Conn.Close() }
func (c *smithConn) LocalAddr() net.Addr         { c.k.try("LocalAddr"); return c.Conn.LocalAddr() }

func (c *smithConn) RemoteAddr() net.Addr { c.k.try("RemoteAddr"); return c.Conn.RemoteAddr() }

func (c *smithConn) SetDeadline(t time.Time) error {
	c.k.try("SetDeadline")
	return c.Conn.SetDeadline(t)
}

func (c *smithConn) SetReadDeadline(t time.Time) error {
	c.k.try("SetReadDeadline")
	return c.Conn.SetReadDeadline(t)
}

func (c *smithConn) SetWriteDeadline(t time.Time) error {
	c.k.try("SetWriteDeadline")
	return c.Conn.SetWriteDeadline(t)
}

func (c *smithConn) SyscallConn() (syscall.RawConn, error) {
	c.k.try("SyscallConn")
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	return smithRaw{raw, c.k}, err
}

type smithRaw struct {
	syscall.RawConn
	k *locksmith
}

func (r smithRaw) Control(f func(uintptr)) error { r.k.try("Control"); return r.RawConn.Control(f) }

type smithContext struct {
	context.Context
	k *locksmith
}

func (c smithContext) Deadline() (time.Time, bool) { c.k.try("Deadline"); return c.Context.Deadline() }
func (c smithContext) Done() <-chan struct{}       { c.k.try("Done"); return c.Context.Done() }
func (c smithContext) Err() error                  { c.k.try("Err"); return c.Context.Err() }
func (c smithContext) Value(key any) any           { c.k.try("Value"); return c.Context.Value(key) }

func (k *locksmith) Write(b []byte) (int, error) { k.try("ErrorLog"); return len(b), nil }

func (k *locksmith) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.try("handler")
	if r.URL.Path == "/slow" {
		<-k.release
	}
	_, _ = io.WriteString(w, "hello")
}

// server has everything that a user can set.
func (k *locksmith) server() *http.Server {
	srv := &http.Server{
		Handler: k, ErrorLog: log.New(k, "", 0),
		BaseContext: func(net.Listener) context.Context {
			k.try("BaseContext")
			return smithContext{context.Background(), k}
		},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { k.try("ConnContext"); return ctx },
		ConnState:   func(net.Conn, http.ConnState) { k.try("ConnState") },
	}
	srv.RegisterOnShutdown(func() { k.try("RegisterOnShutdown") })
	return srv
}

// Nothing of the user's is called with a lock held: in a drain, and where connections are cut off.
func TestNothingOfTheUsersUnderALock(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]time.Duration{"drained": patience, "cut": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent := zerolog.Nop()
			k := &locksmith{t: t, c: &shutdown.Coordinator{Grace: grace, Logger: &silent}, release: make(chan struct{})}
			release := sync.OnceFunc(func() { close(k.release) })
			t.Cleanup(release)
			l := listen(t)
			p := shutdowntest.Start(t, k.c, httpdrain.Serve(k.server(), httpdrain.Listener(&smithListener{Listener: l, k: k}),
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
			for _, method := range []string{
				"Accept", "listener's Close", "Error", "Temporary", "Read", "Write", "Close", "RemoteAddr", "SetReadDeadline",
				"SyscallConn", "Control", "Done", "Value", "ErrorLog", "handler", "BaseContext", "ConnContext", "ConnState",
				"RegisterOnShutdown",
			} {
				if _, called := k.calls.Load(method); !called {
					t.Errorf("%s was never called", method)
				}
			}
		})
	}
}

// A stuckConn does not say whether it has unread bytes.
type stuckConn struct {
	net.Conn
	release <-chan struct{}
}

func (c *stuckConn) SyscallConn() (syscall.RawConn, error) {
	<-c.release
	return nil, errors.ErrUnsupported
}

// A connection that does not answer is closed 10 ms after it was asked.
func TestConnectionThatDoesNotAnswer(t *testing.T) {
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

// A stuckListener does not return from Close, or from Accept after it.
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

// Where a listener does not close, the server is drained all the same, and the error says why it
// took so long.
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
			t.Errorf("after the request: %+v, want it finished and its connection closed", st)
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

// A listener whose Accept does not return costs its own step. The requests end before that is
// abandoned.
func TestListenerThatAcceptsForEver(t *testing.T) {
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
				t.Error("a handler is called while a request of the abandoned server runs")
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
			t.Errorf("want main abandoned, the handler called, and at most %v:\n%v", c.Grace, r)
		}
	})
}

// Where the listener has failed, and the stop comes while the requests in hand are waited for,
// their contexts end before the step's.
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
		// The step has 2 s, so its context ends after 1.9 s, and those of the requests a margin of
		// the drain's time before.
		if got := <-left; got < 100*time.Millisecond {
			t.Errorf("the request's context ended %v before the step's, want 120ms", got)
		}
		p.Wait()
	})
}

// What the server has done is its last status.
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
