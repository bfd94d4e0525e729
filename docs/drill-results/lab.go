package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

var modes = []string{"direct", "rolling"}

// flags are the same for every server. HTTP/2 is left out, since most of the servers have none. So are
// connections on which nothing is ever sent: many of the servers wait for them until their time limit,
// and that would hide which requests they lose. 10 s are what docker stop gives a container. A request
// of half a second is what the drill calls a stream.
var flags = []string{
	"-mode", strings.Join(modes, ","), "-runs", "5", "-limit", "10s", "-h2", "0", "-silent", "0",
	"-stream-url", "http://127.0.0.1:{{.Port}}/slow",
}

// drillLimit is the longest time for the drill of one server: fifteen stops of 10 s are a third of it.
const drillLimit = 8 * time.Minute

func machine() Machine {
	return Machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()}
}

// A lab has what the drills need.
type lab struct {
	servers string // the folder
	bin     string // a folder with the drill and the servers in Go
	npm     error  // why the servers for Node.js cannot be run
	backend *backend
}

// newLab builds the drill and the servers, and starts the server that the proxies forward to.
func newLab(ctx context.Context, dir string) (*lab, error) {
	bin, err := os.MkdirTemp("", "drill-results-")
	if err != nil {
		return nil, err
	}
	l := &lab{servers: filepath.Join(dir, "servers"), bin: bin}
	for _, build := range []struct{ folder, to, packages string }{
		{filepath.Join(dir, "../../cmd/drill"), filepath.Join(bin, "drill"), "."},
		{l.servers, bin + string(filepath.Separator), "./..."},
	} {
		if out, err := command(ctx, build.folder, "go", "build", "-o", build.to, build.packages).CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("go build in %s: %w: %s", build.folder, err, out), l.close())
		}
	}
	if out, err := command(ctx, l.servers, "npm", "ci", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		l.npm = fmt.Errorf("npm ci: %w: %s", err, out)
	}
	l.backend, err = newBackend()
	if err != nil {
		err = errors.Join(err, l.close())
	}
	return l, err
}

func (l *lab) close() error {
	var err error
	if l.backend != nil {
		err = l.backend.close()
	}
	return errors.Join(err, os.RemoveAll(l.bin))
}

// drill runs the drill on a server, in all modes.
func (l *lab) drill(ctx context.Context, s server) (*Entry, Measurement, error) {
	m := Measurement{Began: time.Now().UTC().Format("2006-01-02 15:04"), Outcome: map[string]Outcome{}}
	if slices.Contains(s.Needs, nodeNeeded) && l.npm != nil {
		return nil, m, l.npm
	}
	versions, err := s.versions(ctx, l.servers)
	if err != nil {
		return nil, m, err
	}
	ctx, cancel := context.WithTimeout(ctx, drillLimit)
	defer cancel()
	args := slices.Concat([]string{filepath.Join(l.bin, "drill"), "-o", "json"}, flags, s.flags(), []string{"--"}, s.Command)
	cmd := command(ctx, l.servers, args...)
	cmd.Env = append(cmd.Env, "PATH="+l.bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "BACKEND="+l.backend.port,
		"NODE_ENV=production") // https://expressjs.com/en/advanced/best-practice-performance.html
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // on which it ends its servers
	cmd.WaitDelay = 5 * time.Second
	var progress strings.Builder
	cmd.Stderr = &progress
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil // requests were lost
	}
	if err != nil {
		return nil, m, fmt.Errorf("%w: %s", err, lastLines(progress.String(), 12))
	}
	if err := m.read(out); err != nil {
		return nil, m, err
	}
	return &Entry{Dir: s.Dir, Name: s.Name, Versions: versions, Command: s.Command, Flags: s.flags()}, m, nil
}

// read takes the JSON of the drill.
func (m *Measurement) read(out []byte) error {
	var doc struct{ Reports []report }
	if err := json.Unmarshal(out, &doc); err != nil {
		return fmt.Errorf("the report of the drill: %w", err)
	}
	for _, rep := range doc.Reports {
		o, err := rep.outcome()
		if err != nil {
			return err
		}
		m.Outcome[rep.Mode] = o
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
