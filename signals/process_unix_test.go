//go:build unix

package signals_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/signals"
)

func init() {
	programs["default"] = func() { waitFor() }
	programs["hup"] = func() { waitFor(syscall.SIGHUP) }
	programs["all"] = func() { waitFor(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) }
	programs["stop"] = stopsAfterTheFirst
	programs["other"] = hasAnotherNotify
	programs["ended"] = hasAParentThatHasEnded
}

// waitFor prints how the context ends, and exits with the code of the signal.
func waitFor(sigs ...os.Signal) {
	ctx, stop := signals.NotifyContext(context.Background(), sigs...)
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	var e *signals.Error
	ok := errors.As(context.Cause(ctx), &e)
	fmt.Println(ctx.Err(), ok, errors.Is(context.Cause(ctx), context.Canceled), context.Cause(ctx))
	os.Exit(e.ExitCode())
}

func stopsAfterTheFirst() {
	ctx, stop := signals.NotifyContext(context.Background())
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("first")
	answer := bufio.NewScanner(os.Stdin)
	answer.Scan() // the test has sent the second signal
	fmt.Println("alive")
	stop()
	fmt.Println("stopped")
	answer.Scan()
}

func hasAnotherNotify() {
	other := make(chan os.Signal, 2)
	signal.Notify(other, syscall.SIGTERM)
	ctx, stop := signals.NotifyContext(context.Background())
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("both:", <-other)
	stop()
	fmt.Println("stopped")
	fmt.Println("only the other:", <-other)
}

func hasAParentThatHasEnded() {
	parent, cancel := context.WithCancel(context.Background())
	cancel()
	_, stop := signals.NotifyContext(parent)
	stop()
	fmt.Println("ready")
	time.Sleep(time.Minute)
}

// A child is a process that runs this test binary as one of the programs.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

// heedIgnored catches the signals that are ignored in this process, as under nohup or in
// a script's background job, since children would inherit that.
var heedIgnored = sync.OnceFunc(func() {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
})

func start(t *testing.T, program string) *child {
	heedIgnored()
	return startWith(t, program, exec.Command(os.Args[0]))
}

func startWith(t *testing.T, program string, cmd *exec.Cmd) *child {
	t.Helper()
	cmd.Env = append(os.Environ(), childEnv+"="+program, noSleep)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t, cmd, in, bufio.NewScanner(out)}
	guard := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		guard.Stop()
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	c.expect("ready")
	return c
}

func (c *child) expect(want string) {
	c.t.Helper()
	if !c.out.Scan() || c.out.Text() != want {
		c.t.Fatalf("the child said %q, want %q", c.out.Text(), want)
	}
}

func (c *child) signal(sig os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// ended returns "exit status 143" or "signal: terminated".
func (c *child) ended() string {
	for c.out.Scan() { // Wait closes the pipe
		c.t.Errorf("the child said %q, want no more", c.out.Text())
	}
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.String()
}

func TestSignals(t *testing.T) {
	caught := "context canceled true true received signal "
	for _, tt := range []struct {
		name    string
		program string
		signal  os.Signal
		says    string
		ends    string
	}{
		{"none given means SIGINT", "default", os.Interrupt, caught + "interrupt", "exit status 130"},
		{"none given means SIGTERM", "default", syscall.SIGTERM, caught + "terminated", "exit status 143"},
		{"none given does not mean SIGHUP", "default", syscall.SIGHUP, "", "signal: hangup"},
		{"those given are caught", "hup", syscall.SIGHUP, caught + "hangup", "exit status 129"},
		{"those not given are not", "hup", syscall.SIGTERM, "", "signal: terminated"},
		{"all given are caught", "all", syscall.SIGHUP, caught + "hangup", "exit status 129"},
		{"stop releases them after the parent has ended", "ended", syscall.SIGTERM, "", "signal: terminated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, tt.program)
			c.signal(tt.signal)
			if tt.says != "" {
				c.expect(tt.says)
			}
			if got := c.ended(); got != tt.ends {
				t.Errorf("the child ended with %q, want %q", got, tt.ends)
			}
		})
	}
}

func TestSecondSignal(t *testing.T) {
	t.Parallel()
	c := start(t, "stop")
	c.signal(syscall.SIGTERM)
	c.expect("first")
	c.signal(syscall.SIGTERM)
	c.say("are you there?")
	c.expect("alive")
	c.expect("stopped")
	c.signal(syscall.SIGTERM)
	if got, want := c.ended(), "signal: terminated"; got != want {
		t.Errorf("the child ended with %q, want %q", got, want)
	}
}

func TestStopLeavesOtherReceivers(t *testing.T) {
	t.Parallel()
	c := start(t, "other")
	c.signal(syscall.SIGTERM)
	c.expect("both: terminated")
	c.expect("stopped")
	c.signal(syscall.SIGTERM)
	c.expect("only the other: terminated")
	if got, want := c.ended(), "exit status 0"; got != want {
		t.Errorf("the child ended with %q, want %q", got, want)
	}
}

// TestIgnoredSignal starts the child as nohup does, and a shell in the background.
func TestIgnoredSignal(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell that would ignore a signal for the child")
	}
	c := startWith(t, "all", exec.Command(shell, "-c", `trap "" HUP INT; exec "$0"`, os.Args[0]))
	c.signal(syscall.SIGHUP)
	c.signal(os.Interrupt)
	c.signal(syscall.SIGTERM)
	c.expect("context canceled true true received signal terminated")
	if got, want := c.ended(), "exit status 143"; got != want {
		t.Errorf("the child ended with %q, want %q", got, want)
	}
}
