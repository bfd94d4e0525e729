//go:build unix

package stacks_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// waits has what the steps of testdata/myapp wait for. "@NAME" stands for the line where NAME is
// stuck.
var waits = map[string]string{
	"mutex":    "sync.(*Mutex).Lock < store.(*Store).Lock (@mutex)",
	"method":   "sync.(*Mutex).Lock < store.(*Store).Twice (@method)",
	"inlined":  "sync.(*Mutex).Lock < store.Held.func1 (@inlined)",
	"pool":     "sql.(*DB).conn < store.(*Pool).Close (@pool)",
	"deadlock": "sync.(*Mutex).Lock < main.deadlock (@deadlock); sync.(*Mutex).Lock < main.deadlock.func1 (@deadlock child)",
	"children": "sync.(*WaitGroup).Wait < main.children (@children); select (no cases) in main.children.func1 (@children child), 6 more goroutines",
	"once":     "select (no cases) in main.once.func1 (@once)",
	"actors":   "select (no cases) in main.actors.func1 (@actors)",
	"group":    "group.(*Group).Run < main.inGroup (@group)",
	"pipe":     "os.(*File).read < main.readPipe (@pipe)",
	"loop":     "running in main.loop (@loop)",
	"cgo":      "C.sleep < main.sleepInC (@cgo)",

	"http mutex":       "sync.(*Mutex).Lock < store.(*Store).Twice (@method)",
	"http wait group":  "sync.(*WaitGroup).Wait < main.waitGroup (@http wait group)",
	"http cond":        "sync.(*Cond).Wait < main.cond (@http cond)",
	"http sleep":       "time.Sleep < main.sleep (@http sleep)",
	"http system call": "syscall.Read < main.systemCall (@http system call)",
	"http query":       "sql.(*DB).conn < store.(*Pool).Close (@pool)",
	"http cgo":         "C.sleep < main.sleepInC (@cgo)",
}

// The program's module has no dot in its path.
func TestCulpritsOfAProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs")
	}
	for _, flags := range [][]string{nil, {"-trimpath"}} {
		t.Run(strings.Join(append([]string{"built"}, flags...), " "), func(t *testing.T) {
			dir, lines := program(t)
			want := make(map[string]string)
			for name, text := range waits {
				for at, line := range lines {
					text = strings.ReplaceAll(text, "(@"+at+")", "("+line+")")
				}
				want[name] = text
			}
			if !hasC(t) {
				delete(want, "cgo")
				delete(want, "http cgo")
			}
			got := says(t, build(t, dir, flags), want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the steps wait for (-want +got)\n%s", diff)
			}
		})
	}
}

// says runs the program until it prints what is wanted, or for a long time, and returns what it
// has printed last.
func says(t *testing.T, binary string, want map[string]string) (got map[string]string) {
	t.Helper()
	cmd := exec.Command(binary)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer patience.Stop()
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	said := make(map[string]string)
	for s := bufio.NewScanner(out); s.Scan(); {
		name, text, _ := strings.Cut(s.Text(), ": ")
		switch _, ok := want[name]; {
		case ok:
			said[name] = strings.Replace(text, "runnable", "running", 1)
		case name == "all:":
			if got = said; cmp.Equal(want, got) {
				return got
			}
			said = make(map[string]string)
		}
	}
	return got
}

// program copies the program to a directory outside of this module, and finds the lines where its
// steps are stuck.
func program(t *testing.T) (dir string, lines map[string]string) {
	t.Helper()
	dir, lines = filepath.Join(t.TempDir(), "myapp"), make(map[string]string)
	if err := os.CopyFS(dir, os.DirFS("testdata/myapp")); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/lastcall-go/lastcall"
	mod := bytes.Replace(read(t, root, "go.mod"), []byte("module "+module), []byte("module myapp"), 1)
	mod = append(mod, "\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+root+"\n"...)
	write(t, dir, "go.mod", mod)
	write(t, dir, "go.sum", read(t, root, "go.sum"))
	for _, file := range []string{"main.go", "cgo.go", "store/store.go"} {
		for n, line := range strings.Split(string(read(t, dir, file)), "\n") {
			if _, names, ok := strings.Cut(line, "// stuck: "); ok {
				for name := range strings.SplitSeq(names, ", ") {
					at := filepath.Base(filepath.Dir(filepath.Join(dir, file))) + "/" + filepath.Base(file)
					lines[name] = at + ":" + strconv.Itoa(n+1)
				}
			}
		}
	}
	return dir, lines
}

// build builds the program with a function that prints what steps wait for.
func build(t *testing.T, dir string, flags []string) (binary string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(root, "shutdown", "waits.go"): filepath.Join(root, "internal", "stacks", "testdata", "waits.go.txt"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "overlay.json", overlay)
	binary = filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", append([]string{"build", "-mod=mod", "-overlay=overlay.json", "-o", binary}, flags...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return binary
}

// hasC reports whether the program is built with cgo.
func hasC(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)) == "1"
}

func read(t *testing.T, dir, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, dir, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
		t.Fatal(err)
	}
}
