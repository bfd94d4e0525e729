package check_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// A place is a file, perhaps with others beside it, and what is found in it. The program needs 25 s,
// and has a margin of 2 s.
type place struct {
	data    string
	name    string            // default: that of the kind
	beside  map[string]string // other files by name
	budget  func(*check.Budget)
	environ map[string]string
	// want has a line for each result: the program, its grace period, and the codes. A file that
	// cannot be read is "unreadable: " and a part of the message.
	want string
}

func (p place) files(t *testing.T, name string) []manifest.File {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	files := map[string]string{cmp.Or(p.name, name): p.data}
	maps.Copy(files, p.beside)
	for file, data := range files {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range p.environ {
		t.Setenv(key, value)
	}
	return manifest.Read([]string{filepath.Join(dir, cmp.Or(p.name, name))}, "", nil)[0].Files
}

func budget() check.Budget {
	return check.Budget{
		Delay: 5 * time.Second, Drain: 20 * time.Second, Margin: 2 * time.Second,
		PreStop: check.Handshake{Path: "/prestop", Port: 9090, Exec: []string{"/app", "prestop"}},
		Signals: []string{"SIGTERM", "SIGINT"},
	}
}

func (p place) results(t *testing.T, name string) (results []check.Result) {
	t.Helper()
	b := budget()
	if p.budget != nil {
		p.budget(&b)
	}
	for _, f := range p.files(t, name) {
		for i := range f.Workloads {
			results = append(results, b.Workload(&f.Workloads[i])...)
		}
		for _, err := range f.Errs {
			results = append(results, check.FileError(err))
		}
	}
	return results
}

func summary(results []check.Result) string {
	var lines []string
	for _, r := range results {
		if r.Kind == "" {
			lines = append(lines, "unreadable: "+r.Findings[0].Message)
			continue
		}
		words := []string{cmp.Or(r.Container, "-"), "-"}
		if r.Sums != nil {
			words[1] = check.Seconds(r.Sums.Grace)
		}
		for _, f := range r.Findings {
			words = append(words, string(f.Code))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

// match reports whether the summary is as expected. Of the message of an unreadable file only a part
// is expected.
func match(got, want string) bool {
	if part, ok := strings.CutPrefix(want, "unreadable: "); ok {
		return strings.HasPrefix(got, "unreadable: ") && strings.Contains(got, part)
	}
	return got == want
}

func testPlaces(t *testing.T, name string, places map[string]place) {
	t.Helper()
	if len(places) < 8 {
		t.Errorf("%d cases, want at least 8", len(places))
	}
	for title, p := range places {
		t.Run(title, func(t *testing.T) {
			results := p.results(t, name)
			if got := summary(results); !match(got, strings.TrimSpace(p.want)) {
				t.Errorf("%s\n%s\ngot:\n%s\nwant:\n%s\nfindings: %s", cmp.Or(p.name, name), p.data, got, p.want, messages(results))
			}
		})
	}
}

func messages(results []check.Result) string {
	var all strings.Builder
	for _, r := range results {
		for _, f := range r.Findings {
			fmt.Fprintf(&all, "\n  %s: %s", f.Code, f.Message)
		}
	}
	return all.String()
}

// platformRules has, for each code that is about other platforms than Kubernetes, files that have it and
// files that narrowly do not.
var platformRules = map[finding.Code]struct{ has, not map[string]place }{
	finding.GraceLimit: {
		has: map[string]place{"ecs.json": {data: fargate(121)}, "fly.toml": {data: "app = \"a\"\nkill_timeout = 301\n"}},
		not: map[string]place{"ecs.json": {data: fargate(120)}, "fly.toml": {data: "app = \"a\"\nkill_timeout = 300\n"}},
	},
	finding.GraceCapped: {
		has: map[string]place{"nomad.json": {data: nomadJob(`"KillTimeout": 30000000001`)}, "job.json": {data: nomadJob(`"KillTimeout": 60000000000`)}},
		not: map[string]place{"nomad.json": {data: nomadJob(`"KillTimeout": 30000000000`)}, "job.json": {data: nomadJob(`"KillSignal": "SIGTERM"`)}},
	},
	finding.GraceInfinite: {
		has: map[string]place{"a.service": {data: service("TimeoutStopSec=0")}, "b.service": {data: service("SendSIGKILL=no")}},
		not: map[string]place{"a.service": {data: service("TimeoutStopSec=27")}, "b.service": {data: service("SendSIGKILL=yes")}},
	},
	finding.GraceExtended: {
		has: map[string]place{"a.service": {data: service("Type=notify")}, "b.service": {data: service("Type=notify-reload")}},
		not: map[string]place{"a.service": {data: service("Type=exec")}, "b.service": {data: service("NotifyAccess=none")}},
	},
	finding.KillMode: {
		has: map[string]place{"a.service": {data: service("KillMode=none")}, "b.service": {data: service("KillMode=mixed\nKillMode=none")}},
		not: map[string]place{"a.service": {data: service("KillMode=process")}, "b.service": {data: service("KillMode=none\nKillMode=")}},
	},
	finding.RestartAfterStop: {
		has: map[string]place{"a.service": {data: service("RestartForceExitStatus=0")}, "b.service": {data: service("RestartForceExitStatus=1 0")}},
		not: map[string]place{"a.service": {data: service("RestartForceExitStatus=10")}, "b.service": {data: service("RestartPreventExitStatus=0")}},
	},
	finding.PreStopOutside: {
		has: map[string]place{"a.service": {data: service("ExecStop=/app prestop")}, "compose.yaml": {data: "services: {a: {image: a, pre_stop: [{command: /app prestop}]}}"}},
		not: map[string]place{"a.service": {data: service("ExecStopPost=/app prestop")}, "compose.yaml": {data: "services: {a: {image: a, post_start: [{command: /app prestop}]}}"}},
	},
	finding.CommandCut: {
		has: map[string]place{"compose.yaml": {data: "services: {a: {image: a, command: migrate && app}}"}, "compose.yml": {data: "services: {a: {image: a, entrypoint: app > log}}"}},
		not: map[string]place{"compose.yaml": {data: "services: {a: {image: a, command: \"migrate '&&' app\"}}"}, "compose.yml": {data: "services: {a: {image: a, entrypoint: [app, '>', log]}}"}},
	},
	finding.ContainerPassed: {
		has: map[string]place{"compose.yaml": {data: "services: {a: {build: .}, b: {image: b}}"}, "ecs.json": {data: `{"containerDefinitions": [{"name": "a"}, {"name": "b", "essential": false}]}`}},
		not: map[string]place{"compose.yaml": {data: "services: {a: {build: .}, b: {build: b}}"}, "ecs.json": {data: `{"containerDefinitions": [{"name": "a"}]}`}},
	},
	finding.ProgramAbsent: {
		has: map[string]place{"compose.yaml": {data: "services: {web: {build: .}}", budget: containerApp}, "Procfile": {data: "web: /app\n", budget: containerApp}},
		not: map[string]place{"compose.yaml": {data: "services: {app: {build: .}, web: {build: .}}", budget: containerApp}, "a.service": {data: service(""), budget: containerApp}},
	},
	finding.GraceMisplaced: {
		has: map[string]place{"a.service": {data: "[Unit]\nTimeoutStopSec=3\n[Service]\nExecStart=/app"}, "fly.toml": {data: "app = \"a\"\n[env]\nkill_timeout = 30\n"}},
		not: map[string]place{"a.service": {data: "[Service]\nTimeoutStopSec=3\nExecStart=/app\n[Unit]"}, "fly.toml": {data: "app = \"a\"\n[experimental]\nkill_timeout = 30\n"}},
	},
	finding.UnknownField: {
		has: map[string]place{"compose.yaml": {data: "services: {a: {image: a, stop_graceperiod: 30s}}"}, "a.service": {data: service("TimeoutStopsec=30")}},
		not: map[string]place{"compose.yaml": {data: "services: {a: {image: a, x-stop_graceperiod: 30s}}"}, "a.service": {data: service("TimeoutStartSec=30")}},
	},
	finding.WrongType: {
		has: map[string]place{"compose.yaml": {data: "services: {a: {image: a, stop_grace_period: 90}}"}, "nomad.json": {data: nomadJob(`"KillTimeout": "30s"`)}},
		not: map[string]place{"compose.yaml": {data: "services: {a: {image: a, stop_grace_period: 90s}}"}, "nomad.json": {data: nomadJob(`"KillTimeout": 30000000000`)}},
	},
	finding.DuplicateField: {
		has: map[string]place{"compose.yaml": {data: "services:\n  a:\n    image: a\n    image: b\n"}, "Procfile": {data: "web: a\nweb: b\n"}},
		not: map[string]place{"compose.yaml": {data: "services:\n  a:\n    image: a\n  b:\n    image: b\n"}, "Procfile": {data: "web: a\nWeb: b\n"}},
	},
	finding.StopSignal: {
		has: map[string]place{"fly.toml": {data: "app = \"a\"", budget: onlySIGTERM}, "Dockerfile": {data: "FROM a\nSTOPSIGNAL 9\n"}},
		not: map[string]place{"fly.toml": {data: "app = \"a\"\nkill_signal = \"SIGTERM\"", budget: onlySIGTERM}, "Dockerfile": {data: "FROM a\nSTOPSIGNAL 15\n"}},
	},
	finding.SIGTERMUnheard: {
		has: map[string]place{"compose.yaml": {data: "services: {a: {image: a}}", budget: onlySIGINT}, "nomad.json": {data: strings.Replace(nomadJob(""), "exec", "docker", 1), budget: onlySIGINT}},
		not: map[string]place{"compose.yaml": {data: "services: {a: {image: a, stop_signal: INT}}", budget: onlySIGINT}, "nomad.json": {data: nomadJob(""), budget: onlySIGINT}},
	},
	finding.ShellPID1: {
		has: map[string]place{"Dockerfile": {data: "FROM a\nCMD app\n"}, "compose.yaml": {data: "services: {a: {image: a, command: sh -c app}}"}},
		not: map[string]place{"Dockerfile": {data: "FROM a\nCMD [\"app\"]\n"}, "compose.yaml": {data: "services: {a: {image: a, command: sh -c 'exec app'}}"}},
	},
	finding.DoubleWait: {
		has: map[string]place{"nomad.json": {data: nomadJob(`"ShutdownDelay": 1`)}, "job.json": {data: strings.Replace(nomadJob(""), `"Tasks"`, `"ShutdownDelay": 1, "Tasks"`, 1)}},
		not: map[string]place{"nomad.json": {data: nomadJob(`"ShutdownDelay": 0`)}, "job.json": {data: strings.Replace(nomadJob(""), `"Tasks"`, `"ShutdownDelay": 1, "Tasks"`, 1), budget: noDelay}},
	},
	finding.JobDelay: {
		has: map[string]place{"nomad.json": {data: strings.Replace(nomadJob(""), `"ID"`, `"Type": "batch", "ID"`, 1)}, "job.json": {data: strings.Replace(nomadJob(""), `"ID"`, `"Type": "sysbatch", "ID"`, 1)}},
		not: map[string]place{"nomad.json": {data: strings.Replace(nomadJob(""), `"ID"`, `"Type": "service", "ID"`, 1)}, "job.json": {data: strings.Replace(nomadJob(""), `"ID"`, `"Type": "batch", "ID"`, 1), budget: noDelay}},
	},
	finding.GraceZero: {
		has: map[string]place{"compose.yaml": {data: "services: {a: {image: a, stop_grace_period: 999ms}}"}, "fly.toml": {data: "app = \"a\"\nkill_timeout = 0\n"}},
		not: map[string]place{"compose.yaml": {data: "services: {a: {image: a, stop_grace_period: 1001ms}}"}, "fly.toml": {data: "app = \"a\"\nkill_timeout = 1\n"}},
	},
	finding.EnvGraceAbove: {
		has: map[string]place{"compose.yaml": {data: composeEnv("30s", "31")}, "a.service": {data: service("TimeoutStopSec=30\nEnvironment=TERMINATION_GRACE_PERIOD_SECONDS=31")}},
		not: map[string]place{"compose.yaml": {data: composeEnv("30s", "30")}, "a.service": {data: service("TimeoutStopSec=0\nEnvironment=TERMINATION_GRACE_PERIOD_SECONDS=31")}},
	},
}

func onlySIGTERM(b *check.Budget)  { b.Signals = []string{"SIGTERM"} }
func quick(b *check.Budget)        { b.Delay, b.Drain, b.Margin = 0, time.Second, 0 }
func containerApp(b *check.Budget) { b.Container = "app" }
func onlySIGINT(b *check.Budget)   { b.Signals = []string{"SIGINT"} }

func composeEnv(grace, variable string) string {
	return fmt.Sprintf("services: {a: {image: a, stop_grace_period: %s, environment: {TERMINATION_GRACE_PERIOD_SECONDS: %q}}}", grace, variable)
}

func service(settings string) string { return "[Service]\nExecStart=/app\n" + settings + "\n" }

func fargate(timeout int) string {
	return fmt.Sprintf(`{"requiresCompatibilities": ["FARGATE"], "containerDefinitions": [{"name": "a", "stopTimeout": %d}]}`, timeout)
}

func nomadJob(task string) string {
	if task != "" {
		task = ", " + task
	}
	return `{"Job": {"ID": "web", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "app", "Driver": "exec", "Config": {"command": "/app"}` + task + `}]}]}}`
}

func TestPlatformRules(t *testing.T) {
	for code, rule := range platformRules {
		if len(rule.has) < 2 || len(rule.not) < 2 {
			t.Errorf("%s: want two files that have it and two that do not", code)
		}
		for want, files := range map[bool]map[string]place{true: rule.has, false: rule.not} {
			for name, p := range files {
				results := p.results(t, name)
				has := slices.Contains(codes(results), code)
				if has != want {
					t.Errorf("%s in %s is %t, want %t:\n%s%s", code, name, has, want, p.data, messages(results))
				}
			}
		}
	}
}
