package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mixed has a file of each kind. The program needs 25 s, and fits none of them but the Procfile.
var mixed = map[string]string{
	"all/pod.yaml":         tooShort,
	"all/compose.yaml":     "name: shop\nservices: {app: {image: a}}\n",
	"all/Dockerfile":       "FROM a\nCMD app\n",
	"all/app.service":      "[Service]\nExecStart=/app\nTimeoutStopSec=5\n",
	"all/task.json":        `{"family": "shop", "containerDefinitions": [{"name": "app", "stopTimeout": 5}]}`,
	"all/job.json":         `{"Job": {"ID": "shop", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "app", "Driver": "exec"}]}]}}`,
	"all/fly.toml":         "app = \"shop\"\n",
	"all/Procfile":         "app: app\n",
	"all/tsconfig.json":    "// comment\n{}\n",
	"all/playbook.yml":     "- hosts: all\n",
	"all/datasource.yml":   "apiVersion: 1\ndatasources: []\n",
	"all/README.md":        "services: nothing\n",
	"all/settings.toml":    "kill_timeout = 3\n",
	"all/dockerfile.go":    "package all\n",
	"all/procfile.go":      "package all\n",
	"all/Dockerfile.md":    "# Dockerfile\n\nIt has two stages.\n",
	"all/products.json":    `[{"name": "shoe", "image": "shoe.png", "price": 3}]`,
	"all/values.yaml":      "services: {app: {image: a, replicas: 2}}\n",
	"all/skaffold.yaml":    "apiVersion: skaffold/v4beta1\nkind: Config\nbuild: {}\n",
	"all/pipeline.yml":     "spec: {inputs: {stage: {default: test}}}\n---\njob: {script: [a]}\n",
	"all/.git/compose.yml": "services: [",
}

// A directory with files of all kinds is checked as a whole.
func TestADirectoryWithAllKinds(t *testing.T) {
	status, stdout, stderr := command(t, mixed, "", "-o", "json", "-delay", "5s", "all")
	if status != exitFindings {
		t.Errorf("status %d, want %d\n%s", status, exitFindings, stderr)
	}
	var records []record
	if err := json.Unmarshal([]byte(stdout), &records); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range records {
		got[r.File] = strings.TrimSpace(r.Kind + " " + r.Name + " " + r.Container + " " + r.Verdict)
	}
	want := map[string]string{
		"all/pod.yaml":     "Pod short app error",
		"all/compose.yaml": "Compose shop app error",
		"all/Dockerfile":   "Dockerfile Dockerfile  error",
		"all/app.service":  "Systemd app.service app.service error",
		"all/task.json":    "ECS shop app error",
		"all/job.json":     "Nomad shop app error",
		"all/fly.toml":     "Fly shop  error",
		"all/Procfile":     "Procfile Procfile app ok",
		// The files of other tools are passed over.
		"all/tsconfig.json":  "-",
		"all/playbook.yml":   "-",
		"all/datasource.yml": "-",
		"all/dockerfile.go":  "-",
		"all/procfile.go":    "-",
		"all/Dockerfile.md":  "-",
		"all/products.json":  "-",
		"all/values.yaml":    "-",
		"all/pipeline.yml":   "-",
		"all/skaffold.yaml":  "-",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// On standard input each kind but the Procfile is recognised by its content. With -kind a file may
// have any name.
func TestKindsOnStandardInput(t *testing.T) {
	kinds := map[string]string{
		"all/pod.yaml": "kubernetes", "all/compose.yaml": "compose", "all/Dockerfile": "dockerfile", "all/app.service": "systemd",
		"all/task.json": "ecs", "all/job.json": "nomad", "all/fly.toml": "fly", "all/Procfile": "procfile",
	}
	for _, file := range slices.Sorted(maps.Keys(kinds)) {
		for _, args := range [][]string{{"-"}, {"-kind", kinds[file], "-"}} {
			data := mixed[file]
			if kinds[file] == "fly" {
				data += "primary_region = \"ams\"\n"
			}
			status, stdout, stderr := command(t, nil, data, append([]string{"-delay", "5s"}, args...)...)
			want := exitFindings
			if kinds[file] == "procfile" { // it fits, or is not recognised, which is a warning
				want = exitOK
			}
			if status != want {
				t.Errorf("%s with %v: status %d, want %d\n%s%s", file, args, status, want, stdout, stderr)
			}
		}
	}
}

// A job in HCL is recognised on standard input, and with -kind in a file of any name.
func TestHCL(t *testing.T) {
	const job = "# a comment\nvariable \"image\" {}\n\njob \"web\" {\n  group \"g\" {}\n}\n"
	for _, args := range []string{"-", "-kind nomad -", "-kind nomad web.txt", "web.hcl"} {
		status, stdout, stderr := command(t, map[string]string{"web.txt": job, "web.hcl": job}, job, strings.Fields(args)...)
		if status != exitBadInput || !strings.Contains(stdout, "not-rendered") || !strings.Contains(stdout, "nomad job run -output web.") {
			t.Errorf("%s: status %d, want %d and not-rendered\n%s%s", args, status, exitBadInput, stdout, stderr)
		}
	}
}

// The container of a plan may not exist in other kinds: a Dockerfile has no names.
func TestContainerInOtherKinds(t *testing.T) {
	for file, want := range map[string]int{"all/Dockerfile": exitFindings, "all/fly.toml": exitFindings, "all/task.json": exitBadInput, "all/compose.yaml": exitBadInput} {
		if status, stdout, stderr := command(t, mixed, "", "-container", "web", file); status != want {
			t.Errorf("%s: status %d, want %d\n%s%s", file, status, want, stdout, stderr)
		}
	}
}

// A file whose programs have other names than -container is not ok: nothing in it was checked. A unit, a
// Dockerfile and a fly.toml without process groups have one program, whatever its name is.
func TestFilesWithoutTheContainer(t *testing.T) {
	files := map[string]string{
		"pod.yaml": fits, "other.yaml": strings.ReplaceAll(fits, "app", "other"), "compose.yaml": "services: {web: {build: ., stop_grace_period: 1s}}\n",
		"a.service": "[Service]\nExecStart=/app\nTimeoutStopSec=60\n", "Procfile": "web: /app\n", "fly.toml": "app = \"a\"\n[processes]\nweb = \"/app\"\n",
		"task.json": `{"containerDefinitions": [{"name": "web", "image": "a", "stopTimeout": 1}]}`,
	}
	status, stdout, _ := command(t, files, "", "-container", "app", ".")
	if want := "7 files, 7 workloads: 2 ok, 4 warn, 0 error, 1 not checked"; status != exitOK || !strings.Contains(stdout, want) {
		t.Errorf("status %d, want %d and %q:\n%s", status, exitOK, want, stdout)
	}
	if status, stdout, _ := command(t, files, "", "-strict", "-container", "app", "."); status != exitFindings {
		t.Errorf("-strict: status %d, want %d:\n%s", status, exitFindings, stdout)
	}
	_, stdout, _ = command(t, files, "", "-o", "json", "-container", "app", ".")
	var records []record
	if err := json.Unmarshal([]byte(stdout), &records); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"pod.yaml": "ok", "other.yaml": "-", "a.service": "ok", "compose.yaml": "warn", "Procfile": "warn", "fly.toml": "warn", "task.json": "warn"}
	got := map[string]string{}
	for _, r := range records {
		got[r.File] = r.Verdict
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// Forever is infinity in the table, and null in JSON.
func TestForever(t *testing.T) {
	files := map[string]string{"app.service": "[Service]\nExecStart=/app\nTimeoutStopSec=0\n"}
	if _, stdout, _ := command(t, files, "", "app.service"); !strings.Contains(stdout, "infinity  0s       25s       infinity  app.service") {
		t.Errorf("no infinity in:\n%s", stdout)
	}
	_, stdout, _ := command(t, files, "", "-o", "json", "app.service")
	for _, want := range []string{`"grace_seconds": null`, `"required_seconds": 25`, `"headroom_seconds": null`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %s in:\n%s", want, stdout)
		}
	}
}

// -fix changes a grace period that is one value in the file, or writes it beside the program. It changes
// nothing else: not a value in a variable, and not one that the platform would not allow.
func TestFixInOtherKinds(t *testing.T) {
	const long = "-drain 200s"
	tests := map[string]struct{ file, before, after, args string }{
		"Compose":                          {"compose.yaml", "services:\n  a:\n    image: a\n    stop_grace_period: 5s # why\n", "services:\n  a:\n    image: a\n    stop_grace_period: 27s # why\n", ""},
		"Compose, a variable":              {"compose.yaml", "services:\n  a:\n    image: a\n    stop_grace_period: ${GRACE_OF_A:-5s}\n", "", ""},
		"Compose, a default":               {"compose.yaml", "services:\n  a:\n    image: a\n", "services:\n  a:\n    stop_grace_period: 27s\n    image: a\n", ""},
		"Compose, a default beside build":  {"compose.yaml", "services:\n  a: {build: .}\n", "services:\n  a: {stop_grace_period: 27s, build: .}\n", ""},
		"Compose, a value that is null":    {"compose.yaml", "services:\n  a:\n    image: a\n    stop_grace_period:\n", "", ""},
		"ECS, a value that is null":        {"task.json", `{"containerDefinitions": [{"name": "a", "stopTimeout": null}]}`, "", "-drain 40s"},
		"ECS, a list":                      {"task.json", `[{"name": "a", "image": "b", "stopTimeout": 5}]`, `[{"name": "a", "image": "b", "stopTimeout": 27}]`, ""},
		"ECS, a default in a list":         {"task.json", `[{"name": "a", "image": "b", "cpu": 1}]`, `[{"stopTimeout": 42, "name": "a", "image": "b", "cpu": 1}]`, "-drain 40s"},
		"Nomad, a value that is null":      {"job.json", `{"TaskGroups": [{"Tasks": [{"Driver": "exec", "Name": "a", "KillTimeout": null}]}]}`, "", ""},
		"Compose, a default in JSON":       {"compose.json", `{"services": {"a": {"image": "a"}}}`, `{"services": {"a": {"stop_grace_period": "27s", "image": "a"}}}`, ""},
		"Compose, an image by a merge key": {"compose.yaml", "x-a: &a {image: a}\nservices:\n  a:\n    <<: *a\n", "", ""},
		"Compose, an image by an alias":    {"compose.yaml", "x-a: &a {image: a}\nservices:\n  a: *a\n", "", ""},
		"Compose, in double quotes":        {"compose.yaml", "services:\n  a:\n    image: a\n    stop_grace_period: \"5s\"\n", "services:\n  a:\n    image: a\n    stop_grace_period: \"27s\"\n", ""},
		"Compose, in single quotes":        {"compose.yaml", "services:\n  a: {stop_grace_period: '5s', image: a}\n", "services:\n  a: {stop_grace_period: '27s', image: a}\n", ""},
		"ECS, a default":                   {"task.json", "{\"containerDefinitions\": [\n  {\n    \"name\": \"a\"\n  }\n]}\n", "{\"containerDefinitions\": [\n  {\n    \"stopTimeout\": 42,\n    \"name\": \"a\"\n  }\n]}\n", "-drain 40s"},
		"Nomad, a default":                 {"job.json", `{"TaskGroups": [{"Tasks": [{"Driver": "exec", "Name": "ä"}]}]}`, `{"TaskGroups": [{"Tasks": [{"Driver": "exec", "KillTimeout": 27000000000, "Name": "ä"}]}]}`, ""},
		"systemd":                          {"a.service", "[Service]\nExecStart=/5\nTimeoutStopSec = 5\n", "[Service]\nExecStart=/5\nTimeoutStopSec = 27\n", ""},
		"systemd, TimeoutSec":              {"a.service", "[Service]\nTimeoutStopSec=90\nTimeoutSec=5\n", "[Service]\nTimeoutStopSec=90\nTimeoutSec=27\n", ""},
		"ECS":                              {"task.json", "{\"containerDefinitions\": [\n\t{\"name\": \"ä5\", \"stopTimeout\": 5}]}\n", "{\"containerDefinitions\": [\n\t{\"name\": \"ä5\", \"stopTimeout\": 27}]}\n", ""},
		"ECS on Fargate":                   {"task.json", `{"requiresCompatibilities": ["FARGATE"], "containerDefinitions": [{"name": "a", "stopTimeout": 5}]}`, "", long},
		"Nomad":                            {"job.json", `{"TaskGroups": [{"Tasks": [{"Name": "a", "Driver": "exec", "KillTimeout": 5000000000}]}]}`, `{"TaskGroups": [{"Tasks": [{"Name": "a", "Driver": "exec", "KillTimeout": 27000000000}]}]}`, ""},
		"Nomad, too long":                  {"job.json", `{"TaskGroups": [{"Tasks": [{"Name": "a", "Driver": "exec", "KillTimeout": 5000000000}]}]}`, "", long},
		"Fly":                              {"fly.toml", "app = \"a\"\nkill_timeout = 5 # 5 s\n", "app = \"a\"\nkill_timeout = 27 # 5 s\n", ""},
		"Procfile":                         {"Procfile", "web: a\n", "", long},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{tt.file: tt.before}
			status, patch, stderr := command(t, files, "", strings.Fields("-fix "+tt.args+" "+tt.file)...)
			if status != exitFindings || (patch == "") != (tt.after == "") {
				t.Fatalf("status %d, patch:\n%s%s", status, patch, stderr)
			}
			if tt.after == "" {
				return
			}
			applied(t, patch, tt.file, tt.after)
			if status, stdout, _ := command(t, map[string]string{tt.file: tt.after}, "", tt.file); status != exitOK {
				t.Errorf("after the patch: status %d\n%s", status, stdout)
			}
		})
	}
}
