//go:build unix

package grpcdrain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

var (
	rounds = flag.Int("rounds", 1, "how often both servers are restarted; more than one have at least 20 000 calls each")
	strict = flag.Bool("strict", false, "the task's end is at most 50 ms late, which a busy machine does not keep")
)

// addressVariable is the environment variable with the address of a server in a process.
const addressVariable = "LASTCALL_TEST_ADDRESS"

func init() {
	// The method answers after 5 ms with the process's number.
	service := &echo{unary: func(_ context.Context, text string) (string, error) {
		if text == "panic" {
			panic("out of range")
		}
		time.Sleep(5 * time.Millisecond)
		return fmt.Sprint(os.Getpid()), nil
	}}
	scenarios["grpcdrain"] = func() {
		l := listening()
		c := shutdown.Coordinator{Grace: 20 * time.Second}
		os.Exit(c.Main(grpcdrain.Serve(serve(service), grpcdrain.Listener(l))))
	}
	scenarios["Stop"] = func() {
		srv := grpc.NewServer()
		srv.RegisterService(&echoService, service)
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		go func() { <-ctx.Done(); srv.Stop() }()
		if err := srv.Serve(listening()); err != nil {
			panic(err)
		}
	}
}

func listening() net.Listener {
	l, err := net.Listen("tcp", os.Getenv(addressVariable))
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on %s.\n", l.Addr())
	return l
}

// process starts a server in a process of its own, and returns its address.
func process(t *testing.T, scenario, address string) (p *shutdowntest.Process, on string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scenarioVariable+"="+scenario, addressVariable+"="+address, "GORACE=atexit_sleep_ms=0")
	p = shutdowntest.Exec(t, cmd)
	p.Expect(".\n")
	_, rest, _ := strings.Cut(p.Output(), "listening on ")
	on, _, _ = strings.Cut(rest, ".\n")
	return p, on
}

// A load has 64 clients that call two servers in turn.
type load struct {
	calls, lost atomic.Int64
	first       atomic.Pointer[error]
	answered    sync.Map // by the number of the process
}

const clients = 64

// enough calls for a round that counts.
const enough = 20_000

func (l *load) run(t *testing.T, addresses ...string) (stop func()) {
	t.Helper()
	var addrs []resolver.Address
	for _, a := range addresses {
		addrs = append(addrs, resolver.Address{Addr: a})
	}
	m := manual.NewBuilderWithScheme("test")
	m.InitialState(resolver.State{Addresses: addrs})
	cc, err := grpc.NewClient("test:///servers", grpc.WithResolvers(m), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var callers sync.WaitGroup
	for range clients {
		callers.Go(func() {
			for ctx.Err() == nil {
				pid, err := call(context.Background(), cc, "")
				if l.calls.Add(1); err != nil {
					l.lost.Add(1)
					l.first.CompareAndSwap(nil, &err)
				} else {
					l.answered.LoadOrStore(pid, true)
				}
			}
		})
	}
	return func() { cancel(); callers.Wait(); cc.Close() }
}

// until waits until the process has answered a call.
func (l *load) until(t *testing.T, p *shutdowntest.Process) {
	t.Helper()
	pid := fmt.Sprint(p.PID())
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, yes := l.answered.Load(pid); yes {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s has answered no call; %d calls", pid, l.calls.Load())
		}
	}
}

// between is the time from the restart of one server to that of the other. Clients wait for a
// second and more before they connect again to a server that refused them.
const between = 3 * time.Second

// restartAll restarts both servers under load, one after the other. With more than one round it
// does so until there were enough calls, which takes longer on a slow machine.
func restartAll(t *testing.T, scenario string) *load {
	t.Helper()
	var l load
	var servers [2]*shutdowntest.Process
	var addresses [2]string
	for i := range servers {
		servers[i], addresses[i] = process(t, scenario, "127.0.0.1:0")
	}
	stop := l.run(t, addresses[:]...)
	defer stop()
	for _, p := range servers {
		l.until(t, p)
	}
	for again := true; again; again = *rounds > 1 && l.calls.Load() < enough {
		for i, p := range servers {
			began := time.Now()
			p.Signal(syscall.SIGTERM)
			if e := p.Wait(); e.Code != 0 {
				t.Errorf("exit status %d:\n%s", e.Code, e.Output)
			}
			servers[i], _ = process(t, scenario, addresses[i])
			l.until(t, servers[i])
			time.Sleep(time.Until(began.Add(between)))
		}
	}
	return &l
}

// A rolling restart of two servers loses no call. The control shows that the load finds losses.
func TestRollingRestart(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for i := range *rounds {
		l := restartAll(t, "grpcdrain")
		t.Logf("round %d: %d calls, %d lost", i+1, l.calls.Load(), l.lost.Load())
		if n := l.lost.Load(); n > 0 {
			t.Errorf("%d of %d calls were lost: %v", n, l.calls.Load(), *l.first.Load())
		}
		l = restartAll(t, "Stop")
		t.Logf("round %d, control: %d calls, %d lost", i+1, l.calls.Load(), l.lost.Load())
		if l.lost.Load() == 0 {
			t.Errorf("the control has lost none of %d calls", l.calls.Load())
		}
	}
}

// A panic in a handler ends the process, as with grpc alone.
func TestProcessPanic(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	p, address := process(t, "grpcdrain", "127.0.0.1:0")
	_, err := call(t.Context(), client(t, address, insecure.NewCredentials()), "panic")
	if e := p.Wait(); err == nil || e.Code != 2 || !strings.Contains(e.Output, "panic: out of range") {
		t.Errorf("the client got %v; exit status %d:\n%s", err, e.Code, e.Output)
	}
}

// The task ends in time although 1 000 streams on ten connections do not.
func TestDeafStreamsOnSockets(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const budget = 2 * time.Second
	var open sync.WaitGroup
	open.Add(1000)
	release := make(chan struct{})
	l := listen(t, "tcp", "127.0.0.1:0")
	p := startOn(t, &shutdown.Coordinator{Grace: budget}, l, nil, serve(&echo{stream: func(grpc.ServerStream) error {
		open.Done()
		<-release
		return errors.New("released")
	}}))
	for range 10 {
		cc := client(t, l.Addr().String(), insecure.NewCredentials())
		for range 100 {
			p.open(cc)
		}
	}
	open.Wait()
	r, took := p.ended()
	t.Logf("the task took %v of %v: %v", r.Steps[0].Took, budget, r.Err())
	late, want := slack, "1000 /echo.Echo/Stream oldest " // in the error, or in the status of a task that a slow machine has made late
	if *strict {
		late, want = 50*time.Millisecond, "1000 RPCs cut short: "+want
	}
	if text := r.String(); r.Err() == nil || !strings.Contains(text, want) || r.Steps[0].Took > budget+late {
		t.Errorf("the stop took %v:\n%s", took, text)
	}
	close(release)
}
