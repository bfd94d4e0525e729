//go:build unix

package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/urfave/cli/v3"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// region cobra
func mainWithCobra() {
	shutdown.Default.Reraise = true // after Ctrl-C a shell sees status 130
	os.Exit(shutdown.Main(func(ctx context.Context) error {
		cmd := &cobra.Command{
			Use:           "export",
			RunE:          func(cmd *cobra.Command, _ []string) error { return export(cmd.Context()) },
			SilenceErrors: true, // Main logs the error
			SilenceUsage:  true,
		}
		return cmd.ExecuteContext(ctx)
	}))
}

// endregion

// region urfave
func mainWithUrfave() {
	shutdown.Default.Reraise = true // after Ctrl-C a shell sees status 130
	cli.OsExiter = shutdown.Exit    // os.Exit would run no handlers
	os.Exit(shutdown.Main(func(ctx context.Context) error {
		cmd := &cli.Command{
			Name:   "export",
			Action: func(ctx context.Context, _ *cli.Command) error { return export(ctx) },
		}
		return cmd.Run(ctx, os.Args)
	}))
}

// endregion

// region command
// export works in a temporary folder. The handler removes it however the command ends.
func export(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "export-")
	if err != nil {
		return err
	}
	shutdown.Register(func(context.Context) error { return os.RemoveAll(dir) }, shutdown.Name("temporary folder"))
	return exportTo(ctx, dir)
}

// endregion

// exportTo ends as the environment says.
func exportTo(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "part"), []byte("1"), 0o600); err != nil {
		return err
	}
	fmt.Println("working")
	switch os.Getenv("ENDS") {
	case "by itself":
		return nil
	case "with an error":
		return errors.New("no more space")
	case "with a code":
		return cli.Exit("no more space", 3)
	case "interrupted by itself":
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
	}
	<-ctx.Done()
	if os.Getenv("RETURNS") == "cause" {
		return context.Cause(ctx)
	}
	return ctx.Err()
}

func init() {
	programs["cobra"] = func() { os.Args = os.Args[:1]; mainWithCobra() }
	programs["urfave"] = mainWithUrfave
}

// Each end of a command has its exit status, and leaves no temporary files.
func TestCommand(t *testing.T) {
	for _, tt := range []struct {
		recipe, ends, returns string
		code                  int
		signal                os.Signal
	}{
		{"cobra", "by itself", "", 0, nil},
		{"cobra", "with an error", "", 1, nil},
		{"cobra", "by Ctrl-C", "", -1, syscall.SIGINT},
		{"cobra", "by Ctrl-C", "cause", -1, syscall.SIGINT},
		{"urfave", "by itself", "", 0, nil},
		{"urfave", "with an error", "", 1, nil},
		{"urfave", "with a code", "", 3, nil},
		{"urfave", "by Ctrl-C", "", -1, syscall.SIGINT},
		{"urfave", "by Ctrl-C", "cause", 130, nil}, // the cause has an exit code, with which urfave/cli exits
	} {
		t.Run(tt.recipe+" "+tt.ends+" "+tt.returns, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "RECIPE="+tt.recipe, "ENDS="+tt.ends, "RETURNS="+tt.returns, "TMPDIR="+dir)
			p := shutdowntest.Exec(t, cmd)
			p.Expect("working")
			if tt.ends == "by Ctrl-C" {
				p.Signal(syscall.SIGINT)
			}
			if exit := p.Wait(); exit.Code != tt.code || exit.Signal != tt.signal {
				t.Errorf("status %d, signal %v, want %d, %v\n%s", exit.Code, exit.Signal, tt.code, tt.signal, exit.Output)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("files left behind: %v, %v", left, err)
			}
		})
	}
}

// A shell sees status 130.
func TestCommandInShell(t *testing.T) {
	for _, recipe := range []string{"cobra", "urfave"} {
		t.Run(recipe, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", `"$0"; echo "status $?"`, os.Args[0])
			cmd.Env = append(os.Environ(), "RECIPE="+recipe, "ENDS=interrupted by itself", "TMPDIR="+t.TempDir())
			p := shutdowntest.Exec(t, cmd)
			p.Expect("status 130")
			p.Wait()
		})
	}
}
