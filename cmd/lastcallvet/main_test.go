package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	goMod = "module example.com/m\n\ngo 1.26\n"

	// dead has one finding, with a fix.
	dead = `package m

import (
	"context"
	"net/http"
	"time"
)

func Stop(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}
`
	wrapper = `package lib

import (
	"context"
	"net/http"
)

func Stop(ctx context.Context, srv *http.Server) error { return srv.Shutdown(ctx) }
`
	caller = `package main

import (
	"context"
	"net/http"

	"example.com/m/lib"
)

func main() { _ = lib.Stop(context.Background(), new(http.Server)) }
`
)

// module makes a module of files and goes there.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	if _, ok := files["go.mod"]; !ok {
		put(t, filepath.Join(dir, "go.mod"), goMod)
	}
	for name, text := range files {
		put(t, filepath.Join(dir, name), text)
	}
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOPROXY", "off")
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// expect checks the status of a call and how often its output has a text.
func expect(t *testing.T, status int, text string, n int, args ...string) {
	t.Helper()
	got, stdout, stderr := call(t, args...)
	if c := strings.Count(stdout+stderr, text); got != status || c != n {
		t.Errorf("lastcallvet %v: status %d, %q %d times; want %d, %d times\n%s%s", args, got, text, c, status, n, stdout, stderr)
	}
}

func TestText(t *testing.T) {
	module(t, map[string]string{"m.go": dead})
	expect(t, statusFindings, "m.go:13:9: deadctx: ", 1, "./...")
	expect(t, statusFindings, "13\t\treturn srv.Shutdown(ctx)", 1, "-c=0", "./...")
}

func TestJSON(t *testing.T) {
	module(t, map[string]string{"m.go": dead})
	status, stdout, stderr := call(t, "-json", "./...")
	var tree map[string]map[string][]struct {
		Category, Posn, Message string
		Fixes                   []json.RawMessage `json:"suggested_fixes"`
	}
	if err := json.Unmarshal([]byte(stdout), &tree); err != nil || status != statusOK || stderr != "" {
		t.Fatalf("status %d, error %v\n%s%s", status, err, stdout, stderr)
	}
	found := tree["example.com/m"]["deadctx"]
	if len(found) != 1 || found[0].Category != "deadctx" || len(found[0].Fixes) != 1 || !strings.HasSuffix(found[0].Posn, "m.go:13:9") {
		t.Errorf("findings = %+v", found)
	}
}

func TestNamedChecks(t *testing.T) {
	module(t, map[string]string{"m.go": dead})
	expect(t, statusFindings, "deadctx: ", 1, "-deadctx", "./...")
	expect(t, statusOK, "deadctx: ", 0, "-exit", "-unbounded", "./...")
	expect(t, statusOK, "deadctx: ", 0, "-deadctx=false", "./...")
	expect(t, statusFailed, "flag provided but not defined", 1, "-nosuch", "./...")
	expect(t, statusFailed, "no packages", 1)
}

func TestTags(t *testing.T) {
	module(t, map[string]string{"m.go": "package m\n", "tagged.go": "//go:build special\n\n" + dead})
	expect(t, statusOK, "deadctx: ", 0, "./...")
	expect(t, statusFindings, "deadctx: ", 1, "-tags=special", "./...")
}

// The cause is in a package that the command line does not name.
func TestCauseElsewhere(t *testing.T) {
	module(t, map[string]string{"lib/lib.go": wrapper, "cmd/main.go": caller})
	expect(t, statusFindings, "unbounded: lib.Stop (http.Server.Shutdown)", 1, "./cmd")
	expect(t, statusFindings, "unbounded: ", 1, "./...")
}

// A package that does not compile is named, and the others are checked.
func TestBroken(t *testing.T) {
	for name, text := range map[string]string{
		"types":   "package bad\n\nimport \"context\"\n\nfunc f(ctx context.Context) { <-ctx.Done(); undefined.Shutdown(ctx); var x int = \"\" }\n",
		"syntax":  "package bad\n\nfunc f( {\n",
		"import":  "package bad\n\nimport \"example.com/nowhere\"\n\nvar _ = nowhere.X\n",
		"results": "package bad\n\nfunc f() (int, error) { return }\n\nfunc g() { defer f; go func() {} }\n",
		"cycle":   "package bad\n\ntype T struct{ T }\n\nvar a, b = b, a\n",
	} {
		t.Run(name, func(t *testing.T) {
			module(t, map[string]string{"m.go": dead, "bad/bad.go": text})
			expect(t, statusFailed, "deadctx: ", 1, "./...")
			if _, _, stderr := call(t, "./..."); !strings.Contains(stderr, "lastcallvet: not checked: ") {
				t.Errorf("lastcallvet ./...: the package that does not compile is not named\n%s", stderr)
			}
		})
	}
}

func TestOddCode(t *testing.T) {
	files := map[string]string{
		"m.go":                 dead,
		"empty/empty.go":       "package empty\n",
		"onlytest/x_test.go":   "package onlytest\n",
		"nobody/nobody.go":     "package nobody\n\nimport _ \"unsafe\"\n\n//go:linkname now runtime.nanotime\nfunc now() int64\n\nvar _ = now\n",
		"nobody/nobody.s":      "",
		"generated/g.go":       "// Code generated by hand. DO NOT EDIT.\n\n" + strings.Replace(dead, "package m", "package generated", 1),
		"generic/generic.go":   "package generic\n\ntype T[P interface{ ~[]E }, E any] struct{ p P }\n\nfunc (t T[P, E]) M() (_ E) {\n\tfor _, e := range t.p {\n\t\treturn e\n\t}\n\treturn\n}\n\nvar V = T[[]int, int].M\n\nfunc F[A any](a ...A) func() { return func() { defer func() { recover() }(); panic(a) } }\n\nvar W = F[int]\n",
		"dead/dead.go":         "package dead\n\nimport \"os\"\n\nfunc F() {\n\tos.Exit(1)\n\tfor {\n\t}\n\tdefer F()\n\tgoto end\nend:\n\tselect {}\n}\n\nfunc G(c chan int) (err error) {\n\tdefer func() { err = nil }()\n\tfor {\n\t\tselect {\n\t\tcase <-c:\n\t\t\treturn\n\t\tdefault:\n\t\t\tcontinue\n\t\t}\n\t}\n}\n",
		"recursive/r.go":       "package recursive\n\ntype F func(F) F\n\nfunc A(f F) F { return B(f)(A) }\n\nfunc B(f F) F { return A(f) }\n\nvar x, y = func() int { return y0() }(), 1\n\nfunc y0() int { return y }\n",
		"internal/a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n",
	}
	module(t, files)
	expect(t, statusFindings, "deadctx: ", 1, "./...")
	expect(t, statusFindings, "not checked", 0, "./...")
}

// cgo rewrites a file for the compiler. The finding must name the user's line.
func TestCgo(t *testing.T) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	if _, err := exec.LookPath(cc); err != nil {
		t.Skip("not on this platform: no C compiler")
	}
	module(t, map[string]string{
		"m.go": strings.Replace(dead, "import (", "// int one(void) { return 1; }\nimport \"C\"\n\nimport (", 1) + "\nfunc One() int { return int(C.one()) }\n",
	})
	t.Setenv("CGO_ENABLED", "1")
	expect(t, statusFindings, "m.go:16:9: deadctx: ", 1, "./...")
}

// build compiles the command, for tests in which the go command calls it.
func build(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "lastcallvet")
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return exe
}

func command(t *testing.T, name string, args ...string) (status int, output string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestGoVet(t *testing.T) {
	exe := build(t)
	module(t, map[string]string{
		"m.go": dead, "lib/lib.go": wrapper, "cmd/main.go": caller,
		"m_test.go": strings.Replace(dead, "Stop", "stop", 1) + "\nvar _ = stop\n",
	})

	status, out := command(t, "go", "vet", "-vettool="+exe, "./...")
	if status != 1 || strings.Count(out, "deadctx: ") != 1 || strings.Count(out, "unbounded: lib.Stop") != 1 {
		t.Errorf("go vet: status %d, want 1 and both findings\n%s", status, out)
	}
	status, out = command(t, "go", "vet", "-vettool="+exe, "-unbounded", "./...")
	if status != 1 || strings.Count(out, "deadctx: ") != 0 || strings.Count(out, "unbounded: ") != 1 {
		t.Errorf("go vet -unbounded: status %d, want 1 and one finding\n%s", status, out)
	}
	status, out = command(t, exe, "-fix", ".")
	if status != 0 {
		t.Errorf("lastcallvet -fix: status %d, want 0\n%s", status, out)
	}
	if text, err := os.ReadFile("m.go"); err != nil || !strings.Contains(string(text), "context.WithTimeout(context.WithoutCancel(ctx), time.Second)") {
		t.Errorf("after lastcallvet -fix: %v\n%s", err, text)
	}
	if status, out = command(t, exe, "./..."); status != statusFindings || strings.Count(out, "deadctx: ") != 0 {
		t.Errorf("after lastcallvet -fix: status %d, want %d and no deadctx\n%s", status, statusFindings, out)
	}
	if status, out = command(t, exe, "help", "deadctx"); status != 0 || !strings.Contains(out, "a stop that is given a context which is done already") {
		t.Errorf("lastcallvet help deadctx: status %d\n%s", status, out)
	}
}
