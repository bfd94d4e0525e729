//go:build unix

package httpdrain_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A guardedConn guards its methods with one mutex. Read holds the mutex while it waits for the
// client.
type guardedConn struct {
	net.Conn
	mu       sync.Mutex
	closeToo bool
}

func (c *guardedConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.Read(b)
}

func (c *guardedConn) SyscallConn() (syscall.RawConn, error) {
	fmt.Println("asked")
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.(syscall.Conn).SyscallConn()
}

func (c *guardedConn) Close() error {
	if c.closeToo {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	return c.Conn.Close()
}

// guardedGrace is long enough for the first progress line, which comes after 1 s, and for the
// signals of sendMore.
const guardedGrace = 4 * time.Second

// serveWithGuardedConns is a program that serves on guardedConns.
func serveWithGuardedConns(closeToo bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	own := &ownListener{Listener: l, wrap: func(c net.Conn) net.Conn { return &guardedConn{Conn: c, closeToo: closeToo} }}
	fmt.Printf("listening on %s.\n", l.Addr())
	c := shutdown.Coordinator{Grace: guardedGrace}
	srv := &http.Server{Handler: hello}
	os.Exit(c.Main(httpdrain.Serve(srv, httpdrain.Listener(own), httpdrain.Linger(100*time.Millisecond))))
}

func init() {
	scenarios["a guarded SyscallConn"] = func() { serveWithGuardedConns(false) }
	scenarios["a guarded Close"] = func() { serveWithGuardedConns(true) }
}

// startIdle starts a program and makes one idle connection to it.
func startIdle(t *testing.T, scenario string) *shutdowntest.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scenarioVariable+"="+scenario, "GORACE=atexit_sleep_ms=0")
	p := shutdowntest.Exec(t, cmd)
	p.Expect(".\n")
	_, rest, _ := strings.Cut(p.Output(), "listening on ")
	addr, _, _ := strings.Cut(rest, ".\n")
	c := dial(t, "tcp", addr)
	c.get("/")
	c.answer()
	return p
}

// slack is how late a process may be on a busy machine. The tests log how late it was.
const slack = 5 * time.Second

// A connection whose SyscallConn blocks is closed anyway.
func TestProcessWithBlockedSyscallConn(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string]int{"one signal": 1, "six signals": 6} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startIdle(t, "a guarded SyscallConn")
			p.Signal(syscall.SIGTERM)
			p.Expect("asked")
			sendMore(p, signals-1)
			e := p.Wait()
			t.Logf("ended after %v", e.Took)
			if e.Code != 0 || e.Took > guardedGrace+slack {
				t.Errorf("exit status %d after %v, want 0 within %v:\n%s", e.Code, e.Took, guardedGrace, e.Output)
			}
		})
	}
}

// A connection whose Close blocks as well makes the server's step fail, and holds up nothing else.
func TestProcessWithBlockedClose(t *testing.T) {
	t.Parallel()
	t.Run("one signal", func(t *testing.T) {
		t.Parallel()
		p := startIdle(t, "a guarded Close")
		p.Signal(syscall.SIGTERM)
		e := p.Wait()
		t.Logf("ended %v after the grace period", e.Took-guardedGrace)
		if e.Code != 1 || e.Took > guardedGrace+slack {
			t.Errorf("exit status %d after %v, want 1 within %v:\n%s", e.Code, e.Took, guardedGrace, e.Output)
		}
	})
	t.Run("six signals", func(t *testing.T) {
		t.Parallel()
		p := startIdle(t, "a guarded Close")
		first := time.Now()
		p.Signal(syscall.SIGTERM)
		p.Expect("asked")
		third := sendMore(p, 5)
		e := p.Wait()
		t.Logf("ended %v after the third signal", first.Add(e.Took).Sub(third))
		if want := 128 + int(syscall.SIGTERM); e.Code != want || e.Took > guardedGrace+slack {
			t.Errorf("exit status %d after %v, want %d at the third signal:\n%s", e.Code, e.Took, want, e.Output)
		}
	})
}

// sendMore sends n more signals after the first progress line, far enough apart for each to count.
// It returns the time of the third signal of the process.
func sendMore(p *shutdowntest.Process, n int) (third time.Time) {
	if n > 0 {
		time.Sleep(1200 * time.Millisecond)
	}
	for i := range n {
		if i == 1 {
			third = time.Now()
		}
		p.Signal(syscall.SIGTERM)
		time.Sleep(250 * time.Millisecond)
	}
	return third
}
