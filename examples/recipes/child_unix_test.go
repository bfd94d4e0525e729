//go:build unix

package recipes_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// region child
// runChild runs a command until it ends. When ctx ends, the command and all processes that it
// has started get SIGTERM; at the deadline of the task they get SIGKILL.
func runChild(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// A process group of its own gives all of them one address. It also keeps the terminal's
	// Ctrl-C from them, so that they end in their turn.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	signal := func(s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }
	cmd.Cancel = func() error {
		signal(syscall.SIGTERM)
		signal(syscall.SIGCONT) // a stopped process acts on SIGTERM when it continues
		return nil
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	release := context.AfterFunc(group.WorkContext(ctx), func() { signal(syscall.SIGKILL) })
	err := cmd.Wait()
	release()
	signal(syscall.SIGKILL) // for processes that the command has left behind

	var exit *exec.ExitError
	if ctx.Err() == nil || !errors.As(err, &exit) {
		return err
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() && status.Signal() == syscall.SIGKILL {
		return err // it had to be killed
	}
	return nil // it was told to end, and has ended with a status of its own
}

// endregion

// Each way in which a child ends, and what the report says of it.
func TestChild(t *testing.T) {
	const tells = "; touch ready; while :; do sleep .01; done"
	for _, tt := range []struct {
		name, script string
		timeout      time.Duration // of the task's stop
		want         string        // of the error; of ErrGrace where the child had to be killed
	}{
		{"fails", "exit 3", 0, "exit status 3"},
		{"obeys", "touch ready; exec sleep 600", 0, ""},
		{"ends with status 0", "trap 'exit 0' TERM" + tells, 0, ""},
		{"ends with status 7", "trap 'exit 7' TERM" + tells, 0, ""},
		{"is stopped", "(sleep .1; touch ready) & kill -STOP $$; exec sleep 600", 0, ""},
		{"ignores SIGTERM", "trap '' TERM" + tells, 500 * time.Millisecond, shutdown.ErrGrace.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := shutdowntest.New(t)
			c.Grace = time.Minute // a child that obeys is not killed because the machine is slow
			p := shutdowntest.Start(t, c, func(ctx context.Context) error {
				var g group.Group
				g.Go("child", func(ctx context.Context) error {
					return runChild(ctx, "sh", "-c", "exec 2>/dev/null; cd "+dir+"; "+tt.script)
				}, group.Timeout(tt.timeout))
				return g.Run(ctx)
			})
			if strings.Contains(tt.script, "ready") {
				waitForFile(t, dir+"/ready")
				p.Signal(syscall.SIGTERM)
			}
			report := p.Wait()
			err := report.Err()
			got := errorText(err)
			if errors.Is(err, shutdown.ErrGrace) { // "signal: killed", or abandoned where that took too long
				got = shutdown.ErrGrace.Error()
			}
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("report.Err() = %v, want %q", err, tt.want)
			}
			if (tt.want != "") != (report.ExitCode() == 1) {
				t.Errorf("exit code %d with error %v", report.ExitCode(), err)
			}
			if report.Took > 30*time.Second {
				t.Errorf("it took %v", report.Took)
			}
		})
	}
}

// A command that does not exist is an error at once.
func TestChildDoesNotExist(t *testing.T) {
	if err := runChild(t.Context(), "./none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("runChild = %v, want %v", err, os.ErrNotExist)
	}
}

// The processes that the child has started end with it, even if they ignore SIGTERM.
func TestChildLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	// The grandchild keeps the write end of the pipe until it has ended.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old := os.Stdout
	os.Stdout = w
	p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
		return runChild(ctx, "sh", "-c", "(trap '' TERM; touch "+dir+"/ready; while :; do sleep .01; done) & wait")
	})
	waitForFile(t, dir+"/ready")
	p.Signal(syscall.SIGTERM)
	p.Clean()
	os.Stdout = old
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d bytes, %v, want the end", n, err)
	}
}

// waitForFile waits until a process has made the file.
func waitForFile(t *testing.T, path string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s is not there after 30 s", path)
		}
	}
}
