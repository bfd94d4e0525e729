//go:build unix

package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func syncAtEnd(logger *zap.Logger) {
	// region zap
	// Sync fails on a terminal and on a pipe, which have nothing to write to a disk.
	shutdown.Register(shutdown.Func(logger.Sync), shutdown.Name("zap"),
		shutdown.Expect(syscall.EINVAL, syscall.ENOTTY))
	// endregion
}

// Sync is called at the end. That a terminal or a pipe has no Sync is no failure. That the file
// was closed is one.
func TestZap(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	type target struct {
		name   string
		file   *os.File
		noSync bool // Sync returns an error that the recipe excuses
		want   error
	}
	targets := []target{
		{"file", file, false, nil},
		{"pipe", w, true, nil},
		{"closed file", closed, false, os.ErrClosed},
	}
	if runtime.GOOS == "linux" {
		terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer terminal.Close()
		targets = append(targets, target{"terminal", terminal, true, nil})
	}
	for _, tt := range targets {
		t.Run(tt.name, func(t *testing.T) {
			logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), tt.file, zap.InfoLevel))
			if err := logger.Sync(); tt.noSync && err == nil {
				t.Fatalf("Sync of a %s = nil, so nothing is tested", tt.name)
			}
			p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
				syncAtEnd(logger)
				<-ctx.Done()
				return ctx.Err()
			})
			p.Signal(syscall.SIGTERM)
			if err := p.Wait().Err(); !errors.Is(err, tt.want) {
				t.Errorf("report.Err() = %v, want %v", err, tt.want)
			}
			p.Order("main", "zap")
		})
	}
}

// region killed
var errKilled = errors.New("killed")

// runKillable runs a command that may be killed at any moment: exec.CommandContext kills it when ctx
// ends, and Run returns "signal: killed".
func runKillable(ctx context.Context, name string, args ...string) error {
	err := exec.CommandContext(ctx, name, args...).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return fmt.Errorf("%w: %v", errKilled, err) // an *exec.ExitError has nothing to compare with
	}
	return err
}

func follow(ctx context.Context, file string) error {
	var g group.Group
	// After the request to stop errKilled is no failure. Before, it is one.
	g.Go("tail", func(ctx context.Context) error { return runKillable(ctx, "tail", "-f", file) }, group.Expect(errKilled))
	return g.Run(ctx)
}

// endregion

func TestExpectKilled(t *testing.T) {
	file := t.TempDir() + "/log"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		main func(context.Context) error
		want string
	}{
		{"at the stop", func(ctx context.Context) error { return follow(ctx, file) }, ""},
		{"before", func(ctx context.Context) error {
			var g group.Group
			g.Go("sh", func(ctx context.Context) error { return runKillable(ctx, "sh", "-c", "kill -KILL $$") }, group.Expect(errKilled))
			return g.Run(ctx)
		}, "signal: killed"},
		{"it fails", func(ctx context.Context) error { return follow(ctx, file+".none") }, "exit status 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := shutdowntest.Start(t, nil, tt.main)
			if tt.want == "" {
				p.Signal(syscall.SIGTERM)
			}
			if got := errorText(p.Wait().Err()); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("report.Err() = %q, want %q", got, tt.want)
			}
		})
	}
}
