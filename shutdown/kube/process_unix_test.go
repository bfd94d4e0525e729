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

func init() { programs["pod"] = playPod }

// playPod serves its probes, and prints where. Its handler takes a second.
func playPod() {
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
		fmt.Println("told")
		return nil
	}))
}

// The kubelet's part, with real signals and a real client: the hook, SIGTERM, and the exit,
// in each order that there is.
func TestProcessHandshake(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		play func(p *process)
		told time.Duration // at least, since the first of hook and signal
	}{
		"the hook, then SIGTERM":   {func(p *process) { p.hook(); p.sigterm() }, s},
		"SIGTERM during the hook":  {func(p *process) { done := p.hookBeside(); time.Sleep(s / 4); p.sigterm(); <-done }, s},
		"SIGTERM alone":            {func(p *process) { p.sigterm() }, s},
		"SIGTERM, then the hook":   {func(p *process) { p.sigterm(); p.hook() }, s},
		"ten hooks, then SIGTERM":  {func(p *process) { p.tenHooks(); p.sigterm() }, s},
		"a hook that goes away":    {func(p *process) { p.abortedHook(); p.sigterm() }, s},
		"the exec form":            {func(p *process) { p.command(); p.sigterm() }, s},
		"the hook, SIGTERM, again": {func(p *process) { p.hook(); p.sigterm(); _ = kube.PreStopCommand(p.url + "/prestop") }, s},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPod(t)
			began := time.Now()
			tt.play(p)
			told := p.line() // of which the time is nearly the same
			took := time.Since(began)
			if told != "told" || took < tt.told {
				t.Errorf("%q after %v, want the whole delay of %v", told, took, tt.told)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("%v, want exit status 0", err)
			}
			if took := time.Since(began); took > 10*s {
				t.Errorf("it ended after %v, want within its grace period of 10 s", took)
			}
			t.Logf("told after %v, ended after %v", took, time.Since(began))
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
		t.Fatalf("the child said %q", p.url)
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

// hook calls the hook as the kubelet does: one connection, and the status does not matter.
func (p *process) hook() {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(p.url + "/prestop")
	if err != nil {
		p.t.Error(err)
		return
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p.t.Errorf("the hook: %s", res.Status)
	}
}

func (p *process) hookBeside() <-chan struct{} {
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
		all = append(all, p.hookBeside())
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
		p.t.Errorf("the hook has answered %s within a quarter of a second", res.Status)
	}
}

func (p *process) command() {
	if err := kube.PreStopCommand(p.url + "/prestop"); err != nil {
		p.t.Error(err)
	}
}
