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
	"deaf": func() {
		child := exec.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Printf("child %d\n", child.Process.Pid)
		select {}
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

// play starts a scenario.
func play(t shutdowntest.TB, scenario string) *shutdowntest.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scenarioVariable+"="+scenario, "GORACE=atexit_sleep_ms=0")
	return shutdowntest.Exec(t, cmd)
}

func TestProcess(t *testing.T) {
	p := play(t, "service")
	p.Expect("running")
	p.Signal(syscall.SIGTERM)
	e := p.Wait()
	if e.Code != 0 || e.Signal != nil || !strings.Contains(e.Output, "bye") || e.Took <= 0 || e.Took > time.Minute {
		t.Errorf("Wait() = %+v", e)
	}
	if got := p.Output(); got != e.Output {
		t.Errorf("Output() = %q, want %q", got, e.Output)
	}
	p.Signal(syscall.SIGTERM) // to nobody
}

func TestProcessIsKilled(t *testing.T) {
	p := play(t, "service")
	p.Expect("running")
	p.Signal(syscall.SIGKILL)
	if e := p.Wait(); e.Code != -1 || e.Signal != syscall.SIGKILL {
		t.Errorf("Wait() = %+v, want ended by SIGKILL", e)
	}
}

func TestProcessDoesNotSayIt(t *testing.T) {
	r := new(recorder)
	p := play(r, "fails")
	p.Expect("running")
	r.want(t, "the process ended with exit status 3, and has not written \"running\":\n    no")
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

// A process with a session of its own has a group of its own.
func TestProcessOfASession(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := shutdowntest.Exec(t, cmd)
	p.Signal(syscall.SIGTERM)
	if e := p.Wait(); e.Signal != syscall.SIGTERM {
		t.Errorf("Wait() = %+v, want ended by SIGTERM", e)
	}
}

// The end of the test is that of the process, and of what it has started.
func TestProcessIsNotLeftBehind(t *testing.T) {
	r := new(recorder)
	p := play(r, "deaf")
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
				t.Fatalf("process %d is left", pid)
			}
		}
	}
}

// runs reports whether there is such a process, other than one that waits for its parent to
// take notice of its end.
func runs(pid int) bool {
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, state, _ := strings.Cut(string(b), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}

// A recorder that has to be over soon.
type hurried struct{ *recorder }

// hurry is how long a process has: a busy machine has to start it in that time. Exec keeps
// 5 s for the rest of the test.
const hurry = 2 * time.Second

func (hurried) Deadline() (time.Time, bool) { return time.Now().Add(5*time.Second + hurry), true }

func TestProcessTakesTooLong(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	p := play(hurried{r}, "deaf")
	p.Wait()
	r.want(t, "[select (no cases)")
	r.end()
}

// A process that has ended is not overdue later.
func TestProcessEndedLongAgo(t *testing.T) {
	t.Parallel()
	r := new(recorder)
	p := play(hurried{r}, "fails")
	p.Wait()
	time.Sleep(hurry + 100*ms) // longer than it had
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

func TestLoadOnAProcess(t *testing.T) {
	p := play(t, "server")
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

// go build makes a file of a package that is no program, too: one that cannot be run.
func TestBuildOfNoProgram(t *testing.T) {
	r := new(recorder)
	defer r.end()
	if path := shutdowntest.Build(r, "."); path != "" {
		t.Errorf("Build = %q, want none", path)
	}
	r.want(t, "no main packages to build")
}
