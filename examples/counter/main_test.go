package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// runMain makes the test binary run the program. So the tests can start it as a process without
// building it, and with the race detector if they have it.
const runMain = "COUNTER_TEST_RUN_MAIN"

// maxLife is the limit of a process that does not end by itself.
const maxLife = 2 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// command returns the program as a command. It is killed at the end of the test at the latest.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxLife)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(),
		runMain+"=1",
		"GORACE=atexit_sleep_ms=0", // the race detector would add a second to each exit
	)
	return cmd
}

// play runs the program to its end.
func play(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // ProcessState tells
	return status(cmd.ProcessState), out.String(), errs.String()
}

// newFile returns the path of a file with the content. There is no file if the content is "".
func newFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "count")
	if content != "" {
		put(t, path, content)
	}
	return path
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// holds checks the content of a file.
func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); string(got) != want {
		t.Errorf("%s has %q, %v, want %q", path, got, err, want)
	}
}

func TestEachWayToEnd(t *testing.T) {
	for _, w := range ways[1:] { // wait needs a signal
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			if w.name == "kill" && runtime.GOOS == "windows" {
				t.Skip("not on this platform")
			}
			path := newFile(t, "7\n")
			code, stdout, stderr := play(t, "-file", path, "-end", w.name, "-after", "3", "-every", "0")
			if code != w.status {
				t.Errorf("exit status %d, want %d\n%s", code, w.status, stderr)
			}
			said, left := "saved 7\n8\n9\n10\n", "7\n"
			if w.runs {
				said, left = said+"saved 10\n", "10\n"
			}
			if stdout != said {
				t.Errorf("it said %q, want %q", stdout, said)
			}
			holds(t, path, left)
		})
	}
}

func TestItGoesOnWhereItEnded(t *testing.T) {
	path := newFile(t, "")
	for _, want := range []string{"2\n", "4\n", "6\n"} {
		if code, _, stderr := play(t, "-file", path, "-end", "return", "-after", "2", "-every", "0"); code != 0 {
			t.Fatalf("exit status %d\n%s", code, stderr)
		}
		holds(t, path, want)
	}
}

func TestACheckpointBoundsTheLoss(t *testing.T) {
	path := newFile(t, "")
	_, stdout, _ := play(t, "-file", path, "-end", "os.Exit", "-after", "8", "-every", "0", "-checkpoint", "3")
	if want := "saved 0\n1\n2\n3\nsaved 3\n4\n5\n6\nsaved 6\n7\n8\n"; stdout != want {
		t.Errorf("it said %q, want %q", stdout, want)
	}
	holds(t, path, "6\n")
}

// A file with other content is named in an error, and stays as it is.
func TestABadFile(t *testing.T) {
	for name, content := range map[string]string{
		"text":     "a diary\n",
		"negative": "-3\n",
		"too big":  "9223372036854775808\n",
		"two":      "1 2\n",
		"blank":    "\n",
		"long":     strings.Repeat("0", 64) + "1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newFile(t, content)
			code, stdout, stderr := play(t, "-file", path, "-end", "return", "-every", "0")
			if code != 1 || stdout != "" || !strings.Contains(stderr, "is not a count") || !strings.Contains(stderr, path) {
				t.Errorf("exit status %d, said %q, want 1, nothing, and an error that names the file\n%s", code, stdout, stderr)
			}
			holds(t, path, content)
		})
	}
}

func TestTheLastNumber(t *testing.T) {
	path := newFile(t, "9223372036854775806\n")
	code, stdout, stderr := play(t, "-file", path, "-end", "return", "-every", "0")
	if code != 1 || !strings.Contains(stdout, "\n9223372036854775807\nsaved ") || !strings.Contains(stderr, "the largest possible count") {
		t.Errorf("exit status %d, said %q, want 1 and an error\n%s", code, stdout, stderr)
	}
	holds(t, path, "9223372036854775807\n")
}

func TestAPlaceThatCannotBeWritten(t *testing.T) {
	for name, path := range map[string]string{
		"no folder":          filepath.Join(t.TempDir(), "none", "count"),
		"a file as a folder": filepath.Join(newFile(t, "1\n"), "count"),
		"a folder as a file": t.TempDir(),
	} {
		code, stdout, stderr := play(t, "-file", path, "-end", "return", "-every", "0")
		if code != 1 || stdout != "" || !strings.Contains(stderr, filepath.Base(path)) {
			t.Errorf("%s: exit status %d, said %q, want 1, nothing, and an error that names it\n%s", name, code, stdout, stderr)
		}
	}
}

func TestBadFlagsAreSaidAtOnce(t *testing.T) {
	for _, tt := range []struct{ args, want []string }{
		{[]string{"-end", "explode"}, []string{"-end", `"explode"`, "want one of wait, return,"}},
		{[]string{"-after", "-1"}, []string{"-after", `"-1"`, "whole number"}},
		{[]string{"-checkpoint", "x"}, []string{"-checkpoint", `"x"`, "whole number"}},
		{[]string{"-every", "5"}, []string{"-every", `"5"`, "duration"}},
		{[]string{"-every", "-5s"}, []string{"-every", `"-5s"`, "duration"}},
		{[]string{"-file", ""}, []string{"-file", "name of a file"}},
		{[]string{"-fiel", "x"}, []string{"-fiel"}},
		{[]string{"return"}, []string{`unexpected argument "return"`}},
	} {
		code, stdout, stderr := play(t, tt.args...)
		if code != 2 || stdout != "" {
			t.Errorf("%q: exit status %d, said %q, want 2, nothing", tt.args, code, stdout)
		}
		for _, want := range tt.want {
			if !strings.HasPrefix(stderr, "counter: ") || !strings.Contains(stderr, want) {
				t.Errorf("%q: %q does not have %s", tt.args, stderr, want)
			}
		}
	}
}

func TestTheHelpAndTheReadmeHaveEachWay(t *testing.T) {
	code, help, _ := play(t, "-h")
	if code != 0 {
		t.Errorf("exit status %d for -h, want 0", code)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ways {
		row := fmt.Sprintf("| `%s` | %s | %d | %s |", w.name, w.what, w.status, yesNo(w.runs))
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md lacks\n%s", row)
		}
		line := strings.Join([]string{w.name, w.what, strconv.Itoa(w.status), yesNo(w.runs)}, " ")
		if !strings.Contains(strings.Join(strings.Fields(help), " "), line) {
			t.Errorf("the help lacks %q:\n%s", line, help)
		}
	}
}
