//go:build unix

package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// patience is how long a child may take to obey.
const patience = 5 * time.Second

// runChild runs a command until it ends, or ctx does: then it and all its children are
// sent SIGTERM, and SIGKILL when that does not help within patience.
func runChild(ctx context.Context, patience time.Duration, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// A process group of its own, so that there is one address for all of them. It also
	// keeps a Ctrl-C on the terminal from them, which would otherwise come too early.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = patience
	err := cmd.Run()
	if cmd.Process != nil { // WaitDelay is for the child alone; this is for what it leaves behind
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}

	var exit *exec.ExitError
	if ctx.Err() != nil && errors.As(err, &exit) && !killed(exit) {
		return nil // it ended because it was asked to
	}
	return err
}

func killed(e *exec.ExitError) bool {
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// A child process, with whatever it has started: SIGTERM, then SIGKILL.
func Example_childProcess() {
	stopSoon(func(ctx context.Context) error {
		var g group.Group
		g.Go("child", func(ctx context.Context) error {
			return runChild(ctx, patience, "sleep", "60")
		}, group.Reserve(patience+time.Second))
		return g.Run(ctx)
	})
	fmt.Println("ended")
	// Output: ended
}

func TestRunChild(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		patience     time.Duration
		want         string // of the error
	}{
		{"that fails", "exit 3", patience, "exit status 3"},
		{"that ends", "exit 0", patience, ""},
		{"that obeys", "touch ready; exec sleep 600", patience, ""},
		{"that obeys in its own way", "trap 'exit 7' TERM; touch ready; while :; do sleep .01; done", patience, ""},
		{"that does not obey", "trap '' TERM; touch ready; while :; do sleep .01; done", 50 * time.Millisecond, "signal: killed"},
		{"that is not there", "", patience, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go cancelWhenThere(ctx, cancel, dir+"/ready")
			shell := "sh"
			if tt.script == "" {
				shell = "./none"
			}
			err := runChild(ctx, tt.patience, shell, "-c", "exec 2>/dev/null; cd "+dir+"; "+tt.script)
			if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
				t.Errorf("runChild = %v, want %q", err, tt.want)
			}
		})
	}
}

// What the child has started ends with it, even if it ignores SIGTERM.
func TestRunChildLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go cancelWhenThere(ctx, cancel, dir+"/ready")
	// The grandchild keeps the write end of the pipe until it is gone.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old := os.Stdout
	os.Stdout = w
	err = runChild(ctx, patience, "sh", "-c", "(trap '' TERM; touch "+dir+"/ready; while :; do sleep .01; done) & wait")
	os.Stdout = old
	if err != nil {
		t.Errorf("runChild = %v, want nil", err)
	}
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d bytes, %v, want the end", n, err)
	}
}

func cancelWhenThere(ctx context.Context, cancel func(), path string) {
	for ctx.Err() == nil {
		if _, err := os.Stat(path); err == nil {
			cancel()
		}
		time.Sleep(time.Millisecond)
	}
}
