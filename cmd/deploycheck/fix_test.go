package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// -fix changes the grace period, and nothing else. With the patch the file is right.
func TestFix(t *testing.T) {
	const block = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n"
	tests := map[string]struct{ before, after string }{
		"a value":               {block + "  terminationGracePeriodSeconds: 20 # why\n  containers: [{name: app}]\n", block + "  terminationGracePeriodSeconds: 42 # why\n  containers: [{name: app}]\n"},
		"a value that is tight": {block + "  terminationGracePeriodSeconds: 41\n  containers: [{name: app}]\n", block + "  terminationGracePeriodSeconds: 42\n  containers: [{name: app}]\n"},
		"zero":                  {block + "  terminationGracePeriodSeconds: 0\n  containers: [{name: app}]\n", block + "  terminationGracePeriodSeconds: 42\n  containers: [{name: app}]\n"},
		"a new field":           {block + "  containers:\n  - name: app\n", block + "  terminationGracePeriodSeconds: 42\n  containers:\n  - name: app\n"},
		"in flow style":         {"apiVersion: v1\nkind: Pod\nspec: {containers: [{name: ä}]}\n", "apiVersion: v1\nkind: Pod\nspec: {terminationGracePeriodSeconds: 42, containers: [{name: ä}]}\n"},
		"after wide letters":    {"{apiVersion: v1, kind: Pod, metadata: {name: äöü}, spec: {terminationGracePeriodSeconds: 5, containers: [{name: a}]}}\n", "{apiVersion: v1, kind: Pod, metadata: {name: äöü}, spec: {terminationGracePeriodSeconds: 42, containers: [{name: a}]}}\n"},
		"JSON on one line":      {`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a"}]}}`, `{"apiVersion":"v1","kind":"Pod","spec":{"terminationGracePeriodSeconds": 42, "containers":[{"name":"a"}]}}`},
		"JSON on several lines": {"{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\",\n  \"spec\": {\n    \"containers\": [{\"name\": \"a\"}]\n  }\n}\n", "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\",\n  \"spec\": {\n    \"terminationGracePeriodSeconds\": 42,\n    \"containers\": [{\"name\": \"a\"}]\n  }\n}\n"},
		"Windows' lines":        {strings.ReplaceAll(block+"  containers:\n  - name: app\n", "\n", "\r\n"), strings.ReplaceAll(block+"  terminationGracePeriodSeconds: 42\n  containers:\n  - name: app\n", "\n", "\r\n")},
		"two documents": {
			block + "  containers: [{name: app}]\n---\n" + block + "  terminationGracePeriodSeconds: 7\n  containers: [{name: app}]\n",
			block + "  terminationGracePeriodSeconds: 42\n  containers: [{name: app}]\n---\n" + block + "  terminationGracePeriodSeconds: 42\n  containers: [{name: app}]\n",
		},
		"a value that two objects share": {
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: &s\n    terminationGracePeriodSeconds: 9\n    containers: [{name: a}]\n- {apiVersion: v1, kind: Pod, spec: *s}\n",
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: &s\n    terminationGracePeriodSeconds: 42\n    containers: [{name: a}]\n- {apiVersion: v1, kind: Pod, spec: *s}\n",
		},
		"after a byte order mark":   {"\ufeff{apiVersion: v1, kind: Pod, spec: {containers: [{name: a}]}}\n", "\ufeff{apiVersion: v1, kind: Pod, spec: {terminationGracePeriodSeconds: 42, containers: [{name: a}]}}\n"},
		"a value that is null":      {block + "  terminationGracePeriodSeconds:\n  containers: [{name: app}]\n", ""},
		"containers by a merge key": {"apiVersion: v1\nkind: Pod\nspec:\n  <<: {containers: [{name: app}]}\n", ""},
		"enough":                    {block + "  terminationGracePeriodSeconds: 42\n  containers: [{name: app}]\n", ""},
		"a value of another place":  {"apiVersion: v1\nkind: Pod\nmetadata: {labels: &g {g: 1}}\nspec:\n  <<: {terminationGracePeriodSeconds: 9}\n  containers: [{name: a}]\n", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"dir/a b.yaml": tt.before}
			status, patch, stderr := command(t, files, "", "-fix", "-drain", "40s", "dir")
			if left := status == exitFindings && tt.after == ""; status == exitBadInput || (stderr != "") != left {
				t.Errorf("status %d, %s", status, stderr)
			}
			if tt.after == "" {
				if patch != "" {
					t.Errorf("patch\n%s\nwant none", patch)
				}
				return
			}
			if !strings.Contains(patch, "+++ b/dir/a b.yaml\t\n") { // patch takes a name with a blank only before a tab
				t.Errorf("patch\n%s\nwant a tab after the name", patch)
			}
			applied(t, patch, "dir/a b.yaml", tt.after)
			if status, out, _ := command(t, map[string]string{"a.yaml": tt.after}, "", "-strict", "-drain", "40s", "a.yaml"); status != exitOK {
				t.Errorf("with the patch: status %d\n%s", status, out)
			}
		})
	}
}

// -fix says on standard error what the patch leaves out.
func TestFixSaysWhatItLeavesOut(t *testing.T) {
	for name, tt := range map[string]struct {
		files      map[string]string
		patch      bool
		status     int
		want, lack string
	}{
		"an unreadable file": {map[string]string{"dir/a.yaml": tooShort, "dir/b.yaml": "a: ["}, true, exitBadInput, "deploycheck: dir/b.yaml: ", "finding"},
		"two findings":       {map[string]string{"dir/Procfile": "a: a\nb: b\n", "dir/a.yaml": tooShort}, true, exitFindings, "deploycheck: no patch for 2 findings: run without -fix\n", ""},
		"a shell":            {map[string]string{"dir/compose.yaml": "services: {a: {image: a, stop_grace_period: 5s, command: sh -c app}}\n"}, true, exitFindings, "deploycheck: no patch for 1 finding: run without -fix\n", ""},
		"nothing":            {map[string]string{"dir/a.yaml": tooShort}, true, exitFindings, "", "deploycheck"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"-fix", "dir"}
			if name == "two findings" {
				args = append(args, "-drain", "29s")
			}
			status, stdout, stderr := command(t, tt.files, "", args...)
			if status != tt.status || (stdout != "") != tt.patch || !strings.Contains(stderr, tt.want) || tt.lack != "" && strings.Contains(stderr, tt.lack) {
				t.Errorf("status %d, patch %q, %q; want %d, %q and not %q", status, stdout, stderr, tt.status, tt.want, tt.lack)
			}
		})
	}
}

// applied applies the patch as a user does, in the folder with the file.
func applied(t *testing.T, patch, file, want string) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		if want := "+++ b/" + file; !strings.Contains(patch, want) {
			t.Errorf("patch\n%s\nwant %s", patch, want)
		}
		return
	}
	c := exec.Command(git, "apply", "--whitespace=nowarn", "-")
	c.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+os.TempDir())
	c.Stdin = strings.NewReader(patch)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v\n%s\n%s", err, out, patch)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("file with the patch (-want +got):\n%s", diff)
	}
}

// A patch has the paths of the files in the working directory, however the arguments name them.
func TestPathsOfTheFix(t *testing.T) {
	files := map[string]string{"sub/dir/a.yaml": tooShort}
	fixed := strings.Replace(tooShort, "20", "27", 1)
	for _, args := range [][]string{{"./sub/dir"}, {"sub//dir/../dir/a.yaml"}, {"sub/dir/a.yaml", "./sub/dir/a.yaml"}, {"ABSOLUTE"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			_, _, _ = command(t, files, "", "-h")
			dir, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			if args[0] == "ABSOLUTE" {
				args = []string{dir + "/sub"}
			}
			var out, errs strings.Builder
			if status := run(append([]string{"-fix"}, args...), nil, &out, &errs); status != exitFindings {
				t.Fatalf("status %d\n%s", status, errs.String())
			}
			applied(t, out.String(), "sub/dir/a.yaml", fixed)
		})
	}
	command(t, files, "", "-h")
	t.Chdir("sub")
	if err := os.Mkdir("other", 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir("other")
	var out, errs strings.Builder
	if status := run([]string{"-fix", "../dir"}, nil, &out, &errs); status != exitBadInput || out.String() != "" || !strings.Contains(errs.String(), "../dir/a.yaml is outside of the working directory") {
		t.Errorf("status %d, %q, %q; want %d and an error about ../dir/a.yaml", status, out.String(), errs.String(), exitBadInput)
	}
}

func TestFixOfStandardInput(t *testing.T) {
	status, stdout, stderr := command(t, nil, tooShort, "-fix", "-")
	if status != exitBadInput || stdout != "" || !strings.Contains(stderr, "name a file") {
		t.Errorf("status %d, %q, %q; want %d and an error that asks for a file", status, stdout, stderr, exitBadInput)
	}
}
