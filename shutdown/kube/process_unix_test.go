//go:build unix

package kube_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/kube"
)

func init() { programs["pod"] = runPod }

// runPod is a program that serves its probes and prints their URL. Its handler takes half a
// second.
func runPod() {
	c := &shutdown.Coordinator{Grace: 10 * s, Delay: s}
	os.Exit(c.Main(func(ctx context.Context) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		admin := &http.Server{Handler: kube.Handler(c)}
		c.Start(httpdrain.Serve(admin, httpdrain.Listener(l), httpdrain.Linger(0)), shutdown.Name("admin"))
		c.Register(func(context.Context) error { time.Sleep(s / 2); return nil }, shutdown.Name("slow"))
		fmt.Println("http://" + l.Addr().String())
		<-ctx.Done()
		fmt.Println("told to stop")
		return nil
	}))
}

// Hook and SIGTERM may come in any order. The test sends real requests and signals to a process.
func TestProcess(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		play func(p *process)
		told time.Duration // the earliest time at which main is told to stop, from the first hook or signal
	}{
		"the hook, then SIGTERM":      {func(p *process) { p.hook(); p.sigterm() }, s},
		"SIGTERM during the hook":     {func(p *process) { done := p.startHook(); time.Sleep(s / 4); p.sigterm(); <-done }, s},
		"SIGTERM alone":               {func(p *process) { p.sigterm() }, s},
		"SIGTERM, then the hook":      {func(p *process) { p.sigterm(); p.hook() }, s},
		"ten hooks, then SIGTERM":     {func(p *process) { p.tenHooks(); p.sigterm() }, s},
		"an aborted hook":             {func(p *process) { p.abortedHook(); p.sigterm() }, s},
		"the exec form":               {func(p *process) { p.command(); p.sigterm() }, s},
		"the hook, SIGTERM, the hook": {func(p *process) { p.hook(); p.sigterm(); _ = kube.PreStopCommand(p.url + "/prestop") }, s},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPod(t)
			began := time.Now()
			tt.play(p)
			line := p.line()
			told := time.Since(began)
			if line != "told to stop" || told < tt.told {
				t.Errorf("line %q after %v, want \"told to stop\" after at least %v", line, told, tt.told)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("%v, want exit status 0", err)
			}
			if took := time.Since(began); took > 10*s {
				t.Errorf("ended after %v, want at most the grace period of 10s", took)
			}
			t.Logf("told to stop after %v, ended after %v", told, time.Since(began))
		})
	}
}

type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Scanner
	url string
}

func startPod(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childVariable+"=pod", "GORACE=atexit_sleep_ms=0")
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	p.out = bufio.NewScanner(out)
	p.url = p.line()
	if !strings.HasPrefix(p.url, "http://") {
		t.Fatalf("the child printed %q, want a URL", p.url)
	}
	return p
}

func (p *process) line() string {
	p.out.Scan()
	return p.out.Text()
}

func (p *process) sigterm() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// hook calls the hook as the kubelet does, on a connection of its own.
func (p *process) hook() {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(p.url + "/prestop")
	if err != nil {
		p.t.Error(err)
		return
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p.t.Errorf("hook returned %s, want 200", res.Status)
	}
}

func (p *process) startHook() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.hook()
	}()
	return done
}

func (p *process) tenHooks() {
	var all []<-chan struct{}
	for range 10 {
		all = append(all, p.startHook())
	}
	for _, done := range all {
		<-done
	}
}

func (p *process) abortedHook() {
	ctx, cancel := context.WithTimeout(context.Background(), s/4)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/prestop", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := client.Do(req); err == nil {
		_ = res.Body.Close()
		p.t.Errorf("the hook returned %s within 250ms", res.Status)
	}
}

func (p *process) command() {
	if err := kube.PreStopCommand(p.url + "/prestop"); err != nil {
		p.t.Error(err)
	}
}
