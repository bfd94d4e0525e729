//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// action is action.yml.
type action struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Using string
		Steps []struct {
			ID, Uses, Shell, Run string
			Env                  map[string]string
		}
	}
}

// runAction runs the step of the action that is a script, as GitHub does. It returns the exit status,
// what was printed, the outputs and the summary.
func runAction(t *testing.T, inputs map[string]string) (code int, printed string, outputs map[string]string, summary string) {
	t.Helper()
	content, err := os.ReadFile("action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(content, &a); err != nil {
		t.Fatal(err)
	}
	step := a.Runs.Steps[len(a.Runs.Steps)-1]
	if a.Runs.Using != "composite" || step.Shell != "bash" {
		t.Fatalf("using %q, shell %q; want composite, bash", a.Runs.Using, step.Shell)
	}
	self, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script, output, sum := filepath.Join(dir, "script.sh"), filepath.Join(dir, "output"), filepath.Join(dir, "summary")
	if err := os.WriteFile(script, []byte(step.Run), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+dir, "GITHUB_ACTION_PATH="+self, "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+sum)
	for name, value := range step.Env {
		of := strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")
		in, declared := a.Inputs[of]
		if !declared {
			t.Fatalf("%s: %q is not an input", name, value)
		}
		if given, ok := inputs[of]; ok {
			in.Default = given
		}
		cmd.Env = append(cmd.Env, name+"="+in.Default)
	}
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	written, _ := os.ReadFile(output)
	all := map[string]string{}
	for line := range strings.Lines(string(written)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		all[name] = value
	}
	outputs = map[string]string{}
	for name, o := range a.Outputs {
		of := strings.TrimSuffix(strings.TrimPrefix(o.Value, "${{ steps."+step.ID+".outputs."), " }}")
		outputs[name] = all[of]
	}
	text, _ := os.ReadFile(sum)
	return cmd.ProcessState.ExitCode(), string(out), outputs, string(text)
}

func TestAction(t *testing.T) {
	flags := "-clients=4\n\n-new=0\n-h2=0\n-idle=0\n-silent=0\n-load=50ms\n-runs=2\n-name=the server\n-start=2m\n-limit=2m\n"
	for _, test := range []struct {
		server, flags string
		code          int
		want          string // in the summary
	}{
		{"polite", flags, 0, "the server, direct: grade A, the worst of A A"},
		{"fails", flags + "-max-lost=1000\n", 1, "the server, direct: grade F, the worst of F F"},
	} {
		t.Run(test.server, func(t *testing.T) {
			t.Setenv(testServer, test.server)
			code, printed, outputs, summary := runAction(t, map[string]string{"command": os.Args[0] + " {{.Port}}", "flags": test.flags})
			if code != test.code || !strings.Contains(summary, test.want) || !strings.Contains(printed, test.want) {
				t.Fatalf("exit status %d, want %d and %q; summary:\n%s\nprinted:\n%s", code, test.code, test.want, summary, printed)
			}
			report, err := os.ReadFile(outputs["report"])
			if err != nil {
				t.Fatal(err)
			}
			var doc Document
			if err := json.Unmarshal(report, &doc); err != nil || len(doc.Reports) != 1 || len(doc.Reports[0].Grades) != 2 {
				t.Errorf("%v, want a report of two runs:\n%s", err, report)
			}
			if page, err := os.ReadFile(outputs["page"]); err != nil || !strings.Contains(string(page), "the server") {
				t.Errorf("no page: %v", err)
			}
		})
	}
	code, printed, outputs, summary := runAction(t, map[string]string{"flags": "-while=true"})
	if code != 2 || !strings.Contains(printed, "-while needs -url") || outputs["report"] != "" || summary != "" {
		t.Errorf("exit status %d, outputs %v, summary %q, want 2 and nothing:\n%s", code, outputs, summary, printed)
	}
}

// TestTheActionUsesWhatTheWorkflowUses compares the pinned actions.
func TestTheActionUsesWhatTheWorkflowUses(t *testing.T) {
	workflow, err := os.ReadFile("../../.github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("action.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range regexp.MustCompile(`uses: .*`).FindAllString(string(own), -1) {
		if !strings.Contains(string(workflow), use) {
			t.Errorf("the workflow has no %q", use)
		}
	}
}
