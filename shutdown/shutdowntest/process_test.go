//go:build unix

package shutdowntest_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func init() {
	maps.Copy(scenarios, processScenarios)
}

var processScenarios = map[string]func(){
	"service": func() {
		shutdown.Register(func(context.Context) error { fmt.Println("bye"); return nil })
		os.Exit(shutdown.Main(func(ctx context.Context) error {
			fmt.Println("running")
			<-ctx.Done()
			return nil
		}))
	},
	"fails": func() { fmt.Println("no"); os.Exit(3) },
	"stuck": func() {
		child := exec.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Printf("child %d\n", child.Process.Pid)
		time.Sleep(time.Hour) // without cgo the runtime would take an empty select for a deadlock
	},
	"server": func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		os.Exit(shutdown.Main(func(ctx context.Context) error {
			fmt.Printf("listening on %s.\n", l.Addr())
			var g group.Group
			g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
			return g.Run(ctx)
		}))
	},
}

// startScenario starts a scenario.
func startScenario(t shutdowntest.TB, scenario string) *shutdowntest.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scenarioVariable+"="+scenario, "GORACE=atexit_sleep_ms=0")
	return shutdowntest.Exec(t, cmd)
}

func TestProcess(t *testing.T) {
	p := startScenario(t, "service")
	p.Expect("running")
	p.Signal(syscall.SIGTERM)
	e := p.Wait()
	if e.Code != 0 || e.Signal != nil || !strings.Contains(e.Output, "bye") || e.Took <= 0 || e.Took > time.Minute {
		t.Errorf("Wait() = %+v", e)
	}
	if got := p.Output(); got != e.Output {
		t.Errorf("Output() = %q, want %q", got, e.Output)
	}
	p.Signal(syscall.SIGTERM) // the process has ended: no effect
}

func TestProcessIsKilled(t *testing.T) {
	p := startScenario(t, "service")
	p.Expect("running")
	p.Signal(syscall.SIGKILL)
	if e := p.Wait(); e.Code != -1 || e.Signal != syscall.SIGKILL {
		t.Errorf("Wait() = %+v, want the signal SIGKILL", e)
	}
}

func TestExpectFails(t *testing.T) {
	r := new(recorder)
	p := startScenario(r, "fails")
	p.Expect("running")
	r.want(t, "the process ended with exit status 3 before it wrote \"running\":\n    no")
	if e := p.Wait(); e.Code != 3 {
		t.Errorf("Code = %d, want 3", e.Code)
	}
	r.end()
}

func TestProcessDoesNotStart(t *testing.T) {
	r := new(recorder)
	if p := shutdowntest.Exec(r, exec.Command("/no/such/program")); p != nil {
		t.Errorf("Exec = %v, want nil", p)
	}
	r.want(t, "no such file")
}

// Exec works for a process that begins a new session.
func TestProcessInANewSession(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := shutdowntest.Exec(t, cmd)
	p.Signal(syscall.SIGTERM)
	if e := p.Wait(); e.Signal != syscall.SIGTERM {
		t.Errorf("Wait() = %+v, want the signal SIGTERM", e)
	}
}

// At the end of the test the process and its child are killed.
func TestProcessEndsWithTheTest(t *testing.T) {
	r := new(recorder)
	p := startScenario(r, "stuck")
	p.Expect("\n")
	child, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(p.Output()), "child "))
	if err != nil {
		t.Fatal(err)
	}
	r.end()
	r.want(t)
	for _, pid := range []int{p.PID(), child} {
		for end := time.Now().Add(10 * time.Second); runs(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("process %d still runs", pid)
			}
		}
	}
}

// runs reports whether the process exists and is not a zombie.
func runs(pid int) bool {
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, state, _ := strings.Cut(string(b), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}

// withDeadline is a test whose deadline is near.
type withDeadline struct{ *recorder }

// processTime is how long a process may run before Exec kills it, 5 s before the deadline. A busy
// machine has to start the process in that time.
const processTime = 2 * time.Second

func (withDeadline) Deadline() (time.Time, bool) {
	return time.Now().Add(5*time.Second + processTime), true
}

func TestProcessIsKilledBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	p := startScenario(withDeadline{r}, "stuck")
	p.Wait()
	r.want(t, "[sleep")
	r.end()
}

// Wait reports no failure for a process that has ended in time, also after the deadline.
func TestProcessEndedLongAgo(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	p := startScenario(withDeadline{r}, "fails")
	p.Wait()
	time.Sleep(processTime + 100*ms) // past its deadline
	p.Wait()
	r.want(t)
	r.end()
}

func TestBuild(t *testing.T) {
	path := shutdowntest.Build(t, "github.com/lastcall-go/lastcall/examples/counter")
	p := shutdowntest.Exec(t, exec.Command(path, "-h"))
	if e := p.Wait(); e.Output == "" {
		t.Errorf("Wait() = %+v", e)
	}
	r := new(recorder)
	if path := shutdowntest.Build(r, "./no/such/package"); path != "" {
		t.Errorf("Build = %q", path)
	}
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "no such") && !strings.Contains(r.failures[0], "not found") && !strings.Contains(r.failures[0], "cannot find") {
		t.Errorf("failures: %q", r.failures)
	}
	r.end()
}

func TestLoadOfAProcess(t *testing.T) {
	p := startScenario(t, "server")
	p.Expect(".\n")
	_, addr, _ := strings.Cut(strings.TrimSuffix(p.Output(), ".\n"), "listening on ")
	load := shutdowntest.Load{URL: "http://" + addr}
	tally := load.Run(t, func() { p.Signal(syscall.SIGTERM); p.Wait() })
	if tally.Answered < 100 || tally.Sent != tally.Answered || tally.Refused != 8 {
		t.Errorf("Run() = %+v", tally)
	}
	if e := p.Wait(); e.Code != 0 {
		t.Errorf("Wait() = %+v", e)
	}
}

// For a package that is not a program, go build could write a file that cannot be run.
func TestBuildOfALibrary(t *testing.T) {
	r := new(recorder)
	defer r.end()
	if path := shutdowntest.Build(r, "."); path != "" {
		t.Errorf("Build = %q, want none", path)
	}
	r.want(t, "no main packages to build")
}
