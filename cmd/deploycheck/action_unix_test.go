//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The step of the action compiles the command and prints annotations. A finding is an error of the step.
func TestAction(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("not on this platform: no bash")
	}
	text, err := os.ReadFile("action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Runs struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	step := action.Runs.Steps[len(action.Runs.Steps)-1]
	if step.Env["ARGS"] != "${{ inputs.args }}" {
		t.Fatalf("environment %v, want ARGS from the input", step.Env)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, temp := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "short.yaml"), []byte(tooShort), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"-drain 25s short.yaml": "::error file=short.yaml,line=4,",
		"-drain 5s .":           "1 file, 1 workload: 1 ok",
	} {
		c := exec.Command(bash, "-e", "-o", "pipefail", "-c", step.Run) // as a runner calls it
		c.Dir = dir
		c.Env = append(os.Environ(), "GITHUB_ACTION_PATH="+here, "RUNNER_TEMP="+temp, "ARGS="+args)
		out, err := c.CombinedOutput()
		if failed := err != nil; failed != strings.HasPrefix(want, "::error") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s\nwant %s", args, err, out, want)
		}
	}
}
