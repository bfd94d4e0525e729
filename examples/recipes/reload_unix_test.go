//go:build unix

package recipes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A radio reads its configuration from a file, at its start and again for each SIGHUP.
type radio struct {
	path   string
	config atomic.Pointer[config]
}

type config struct {
	Volume int
}

// region reload
func (r *radio) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // first: until here SIGHUP ends the process
	defer signal.Stop(hangup)
	if err := r.load(); err != nil {
		return err
	}

	var g group.Group
	g.Go("reload", func(ctx context.Context) error {
		for {
			select {
			case <-hangup:
				if err := r.load(); err != nil { // the program goes on with the old configuration
					slog.Error("configuration not reloaded", "error", err)
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Run(ctx)
}

// endregion

func (r *radio) load() error {
	text, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	c := new(config)
	if err := json.Unmarshal(text, c); err != nil {
		return err
	}
	r.config.Store(c)
	fmt.Println("volume", c.Volume)
	return nil
}

func init() {
	programs["reload"] = func() {
		r := &radio{path: os.Getenv("CONFIG")}
		os.Exit(shutdown.Main(r.run))
	}
}

// SIGHUP reloads the configuration. It ends neither the program nor its drain, and an invalid
// file changes nothing.
func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"Volume": 5}`)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RECIPE=reload", "CONFIG="+path)
	p := shutdowntest.Exec(t, cmd)
	p.Expect("volume 5")
	write(`{"Volume": 6}`)
	p.Signal(syscall.SIGHUP)
	p.Expect("volume 6")
	write(`half of it`)
	p.Signal(syscall.SIGHUP)
	p.Expect("configuration not reloaded")
	write(`{"Volume": 7}`)
	p.Signal(syscall.SIGHUP)
	p.Expect("volume 7")
	p.Signal(syscall.SIGTERM)
	if exit := p.Wait(); exit.Code != 0 {
		t.Errorf("exit status %d, signal %v, want 0\n%s", exit.Code, exit.Signal, exit.Output)
	}
}
