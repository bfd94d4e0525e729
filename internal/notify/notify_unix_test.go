//go:build unix

package notify_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/notify"
)

func init() {
	programs["deliver"] = func() {
		c, stop := notify.Signals(notify.Defaults)
		kill(syscall.SIGTERM)
		fmt.Println(<-c)
		stop()
		stop()
		kill(syscall.SIGTERM)
		time.Sleep(time.Minute)
	}
	programs["keep"] = func() { // nothing is received from c while they arrive
		c, stop := notify.Signals(notify.Defaults)
		defer stop()
		seen, _ := notify.Signals(notify.Defaults)
		for range 5 { // a signal that is sent while it is pending is lost in the kernel
			kill(os.Interrupt)
			<-seen
		}
		// Package os/signal serves receivers one after the other, in no order: the last signal may
		// still be missing from c.
		for len(c) < 5 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println(len(c))
	}
	programs["none"] = func() { // to package os/signal no signals means all
		c, stop := notify.Signals(nil)
		defer stop()
		select {
		case s := <-c:
			fmt.Println(s)
		case <-time.After(50 * time.Millisecond): // the runtime preempts itself by SIGURG
			fmt.Println("nothing")
		}
		kill(syscall.SIGTERM)
		time.Sleep(time.Minute)
	}
	programs["ignored"] = func() {
		signal.Ignore(syscall.SIGHUP)
		c, stop := notify.Signals([]os.Signal{syscall.SIGHUP, syscall.SIGTERM})
		kill(syscall.SIGHUP)
		kill(syscall.SIGTERM)
		fmt.Println(<-c)
		stop()
		fmt.Println(signal.Ignored(syscall.SIGHUP))
	}
	programs["only ignored"] = func() {
		signal.Ignore(syscall.SIGHUP)
		_, stop := notify.Signals([]os.Signal{syscall.SIGHUP})
		stop()
		fmt.Println(signal.Ignored(syscall.SIGHUP))
	}
	programs["hangup"] = func() {
		undo := notify.HoldOff(nil)
		kill(syscall.SIGHUP)
		settle()
		fmt.Println("alive")
		undo()
		kill(syscall.SIGHUP)
		time.Sleep(time.Minute)
	}
	programs["hangup, untouched"] = func() {
		defer notify.HoldOff([]os.Signal{})()
		kill(syscall.SIGHUP)
		time.Sleep(time.Minute)
	}
	programs["hangup, ignored"] = func() {
		signal.Ignore(syscall.SIGHUP)
		undo := notify.HoldOff(nil)
		fmt.Println(signal.Ignored(syscall.SIGHUP))
		undo()
		fmt.Println(signal.Ignored(syscall.SIGHUP))
	}
	programs["pipe"] = func() {
		undo := notify.HoldOff(nil)
		for range 3 { // more than one write, so that one comes after the first SIGPIPE
			_, err := fmt.Println("nobody reads this")
			fmt.Fprintln(os.Stderr, strings.Contains(fmt.Sprint(err), "broken pipe"))
		}
		undo()
		fmt.Println("nor this")
		fmt.Fprintln(os.Stderr, "not reached")
	}
}

// settle returns when the signals that were sent before have had their effect. The kernel delivers
// the pending signal with the lowest number first, so SIGUSR1 comes after them.
func settle() {
	c, stop := notify.Signals([]os.Signal{syscall.SIGUSR1})
	defer stop()
	kill(syscall.SIGUSR1)
	<-c
}

func kill(sig os.Signal) { _ = syscall.Kill(os.Getpid(), sig.(syscall.Signal)) }

func TestNotify(t *testing.T) {
	for _, tt := range []struct{ name, program, out, ends string }{
		{"delivers until it is stopped", "deliver", "terminated", "signal: terminated"},
		{"keeps signals until they are received", "keep", "5", "exit status 0"},
		{"catches nothing if no signals are given", "none", "nothing", "signal: terminated"},
		{"leaves ignored signals ignored", "ignored", "terminated\ntrue", "exit status 0"},
		{"holds off a hangup until undo is called", "hangup", "alive", "signal: hangup"},
		{"holds off nothing if the program does not use signals", "hangup, untouched", "", "signal: hangup"},
		{"leaves an ignored hangup ignored", "hangup, ignored", "true\ntrue", "exit status 0"},
		{"leaves a single ignored signal ignored", "only ignored", "true", "exit status 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, ends := run(t, tt.program)
			if out != tt.out || ends != tt.ends {
				t.Errorf("the child said %q and ended with %q, want %q, %q", out, ends, tt.out, tt.ends)
			}
		})
	}
}

func command(t *testing.T, program string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+program, noSleep)
	return cmd
}

func run(t *testing.T, program string) (out, ends string) {
	cmd := command(t, program)
	text, _ := cmd.Output()
	return strings.TrimSpace(string(text)), cmd.ProcessState.String()
}

// TestHoldOffPipe writes to a pipe that nobody reads, which ends a process without HoldOff.
func TestHoldOffPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer func() { _ = w.Close() }()
	var stderr strings.Builder
	cmd := command(t, "pipe")
	cmd.Stdout, cmd.Stderr = w, &stderr
	_ = cmd.Run()
	if got, want := stderr.String(), "true\ntrue\ntrue\n"; got != want {
		t.Errorf("the child wrote %q, want %q", got, want)
	}
	if got, want := cmd.ProcessState.String(), "signal: broken pipe"; got != want {
		t.Errorf("the child ended with %q, want %q", got, want)
	}
}
