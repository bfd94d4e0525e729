//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A process is the program while it counts.
type process struct {
	cmd    *exec.Cmd
	out    *bufio.Scanner
	pipe   io.Closer
	errs   bytes.Buffer
	saved  int64 // the last count that it printed as saved
	told   int64 // the last count that it printed, or the first that it saved
	counts int   // how many counts it printed
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	heedIgnored()
	p := &process{cmd: command(t, args...), saved: -1, told: -1}
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.pipe = bufio.NewScanner(out), out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Cancel(); _ = p.cmd.Wait() })
	return p
}

// heedIgnored catches the signals that this process ignores, as in a script's background job. Children
// would ignore them too.
var heedIgnored = sync.OnceFunc(func() {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
})

// read reads the next line of the program, if there is one.
func (p *process) read(t *testing.T) bool {
	t.Helper()
	if !p.out.Scan() {
		return false
	}
	text, saved := strings.CutPrefix(p.out.Text(), "saved ")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Errorf("it said %q", p.out.Text())
	}
	if saved {
		p.saved = n
	} else {
		p.counts++
	}
	if !saved || p.counts == 0 {
		p.told = n
	}
	return true
}

// until reads until the program has printed n counts or has ended.
func (p *process) until(t *testing.T, counts int) {
	t.Helper()
	for p.counts < counts && p.read(t) {
	}
}

// wait reads to the end, and returns the exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	for p.read(t) {
	}
	_ = p.cmd.Wait() // ProcessState tells
	return status(p.cmd.ProcessState)
}

// signal sends a signal. If the program has ended already, its exit status shows how.
func (p *process) signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

func TestEachSignal(t *testing.T) {
	for _, tt := range []struct {
		row    string // of README.md
		sig    syscall.Signal
		status int
		runs   bool
	}{
		{"`kill -INT`, Ctrl-C", syscall.SIGINT, 0, true},
		{"`kill -TERM`", syscall.SIGTERM, 0, true},
		{"`kill -HUP`, the terminal is closed", syscall.SIGHUP, 129, false},
		{"`kill -QUIT`, Ctrl-\\", syscall.SIGQUIT, 2, false},
		{"`counter \\| head -1`, SIGPIPE", 0, 141, false},
	} {
		t.Run(tt.row, func(t *testing.T) {
			t.Parallel()
			hasRow(t, "| "+tt.row+" | "+strconv.Itoa(tt.status)+" | "+yesNo(tt.runs)+" |")
			path := newFile(t, "7\n")
			p := start(t, "-file", path, "-every", "1ms")
			p.until(t, 3)
			if tt.sig == 0 {
				_ = p.pipe.Close()
			}
			p.signal(tt.sig)
			if code := p.wait(t); code != tt.status {
				t.Errorf("exit status %d, want %d\n%s", code, tt.status, &p.errs)
			}
			want := "7\n"
			if tt.runs {
				want = strconv.FormatInt(p.told, 10) + "\n"
			}
			holds(t, path, want)
		})
	}
}

func hasRow(t *testing.T, row string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), row) {
		t.Errorf("README.md lacks\n%s", row)
	}
}

// The file cannot be saved at the end, as on a full disk.
func TestASaveThatFailsTellsTheCount(t *testing.T) {
	path := newFile(t, "7\n")
	p := start(t, "-file", path, "-every", "1ms")
	p.until(t, 1)
	if err := os.MkdirAll(filepath.Join(path+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	code := p.wait(t)
	if want := "count " + strconv.FormatInt(p.told, 10) + " is not saved"; code != 1 || !strings.Contains(p.errs.String(), want) {
		t.Errorf("exit status %d, want 1 and %q\n%s", code, want, &p.errs)
	}
	holds(t, path, "7\n")
}

func TestASymbolicLinkStaysOne(t *testing.T) {
	path := newFile(t, "7\n")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := play(t, "-file", link, "-end", "return", "-after", "1", "-every", "0"); code != 0 {
		t.Errorf("exit status %d\n%s", code, stderr)
	}
	holds(t, path, "8\n")
	if target, err := os.Readlink(link); target != path {
		t.Errorf("the link leads to %q, %v, want %q", target, err, path)
	}
}
