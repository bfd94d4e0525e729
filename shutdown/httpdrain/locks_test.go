package httpdrain_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

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
