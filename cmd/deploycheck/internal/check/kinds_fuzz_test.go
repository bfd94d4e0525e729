package check_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// fuzzKind checks what holds for files of all kinds: nothing panics, and what was not understood is
// never ok. A mistake is text that, appended to any file, has to be found.
func fuzzKind(f *testing.F, kind, mistake string, more func(t *testing.T, data []byte, file manifest.File)) {
	b := budget()
	verdict := func(t *testing.T, data []byte) (worst finding.Severity, file manifest.File) {
		t.Helper()
		file = manifest.Decode("x."+kind, kind, data)
		for i := range file.Workloads {
			results := b.Workload(&file.Workloads[i])
			if len(results) == 0 {
				t.Error("a workload without a result")
			}
			for _, r := range results {
				if r.Sums == nil && len(r.Findings) == 0 {
					t.Error("no program of the workload was checked, and there is no finding")
				}
				if r.Sums != nil && (r.Sums.Required() < 0 || r.Sums.Headroom() < 0 && r.Severity() != finding.Error) {
					t.Errorf("verdict %s: %v", r.Severity().Verdict(), r.Sums)
				}
				worst = max(worst, r.Severity())
			}
		}
		for _, err := range file.Errs {
			worst = max(worst, check.FileError(err).Findings[0].Severity)
		}
		return worst, file
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, file := verdict(t, data)
		if len(file.Errs) == 0 && more != nil {
			more(t, data, file)
		}
		if bytes.ContainsAny(data, "\\`<\x00") {
			return // the mistake may continue a line, or be text of a heredoc
		}
		if with, again := verdict(t, append(data[:len(data):len(data)], mistake...)); with != finding.Error && !isTemplate(again) {
			t.Errorf("%q is not found after %q: %+v", mistake, data, again)
		}
	})
}

// isTemplate reports whether the file is the source of another one, in which nothing was checked.
func isTemplate(f manifest.File) bool {
	return slices.ContainsFunc(f.Workloads, func(w manifest.Workload) bool { return w.Has(finding.NotRendered) })
}

func addPlaces(f *testing.F, all ...string) {
	for _, data := range all {
		f.Add([]byte(data))
	}
}

func FuzzCompose(f *testing.F) {
	addPlaces(f, "services: {web: {image: a, stop_grace_period: 90}}", "x: &a {image: b}\nservices:\n  web:\n    <<: *a\n    stop_signal: INT\n",
		"services: {web: {build: ., command: \"a && b\", pre_stop: [{command: x}], extends: {service: b}}, b: {image: c}}\n---\nservices: {b: {init: true}}",
		"services:\n{% for s in services %}\n  {{ s }}: {image: a}\n", "services: {a: {image: {{ a }}}}")
	fuzzKind(f, "compose", "\nservicez: {}\n", nil)
}

func FuzzDockerfile(f *testing.F) {
	addPlaces(f, "FROM a AS b\nSTOPSIGNAL ${X:-INT}\nFROM b\nENTRYPOINT [\"a\"]\nCMD b\n", "ARG X=1\nFROM a\nSHELL [\"x\"]\nENV A=b C=$A\nRUN <<E\nx\nE\n")
	fuzzKind(f, "dockerfile", "\nSTOPSIGNEL 9\n", nil)
}

func FuzzSystemd(f *testing.F) {
	addPlaces(f, service("TimeoutStopSec=1min 2.5s\nKillMode=mixed\nEnvironment=\"A=b c\" D=e"), "[Unit]\nKillMode=none\n[Service]\nExecStart=|-a \\\n# b\n  c 'd\nSendSIGKILL=0\n")
	fuzzKind(f, "systemd", "\n[Service]\nTimeoutStopSecs=30\n", nil)
}

func FuzzECS(f *testing.F) {
	addPlaces(f, fargate(150), `[{"name": "a", "image": "b", "stopTimeout": 3, "environment": [{"name": "A", "value": "b"}]}]`,
		`{"taskDefinition": {"containerDefinitions": [{"name": "a"}, {"name": "b", "essential": false}]}, "tags": []}`)
	fuzzKind(f, "ecs", "\nx", func(t *testing.T, data []byte, file manifest.File) {
		var o struct {
			Requires   []string `json:"requiresCompatibilities"`
			Containers []struct {
				StopTimeout *int32 `json:"stopTimeout"`
			} `json:"containerDefinitions"`
		}
		if json.Unmarshal(data, &o) != nil || len(file.Workloads) == 0 || len(file.Workloads[0].Faults) > 0 {
			return
		}
		for i, c := range o.Containers {
			if want := 30 * time.Second; c.StopTimeout != nil {
				want = time.Duration(*c.StopTimeout) * time.Second
				if got := file.Workloads[0].Programs[i].Grace.Value; got != want {
					t.Errorf("%s: grace %v, want %v", data, got, want)
				}
			}
		}
	})
}

func FuzzNomad(f *testing.F) {
	addPlaces(f, nomadJob(`"KillTimeout": 30000000000, "ShutdownDelay": 1, "Leader": true`), strings.Replace(nomadJob(`"Env": {"A": "b"}`), "exec", "docker", 1),
		`{"TaskGroups": [{"Tasks": [{"Name": "a", "Lifecycle": {"Hook": "poststop"}, "Config": {"args": ["b", 1]}}, null]}]}`, "job \"a\" {\n}\n", `{"TaskGroups": [{"Tasks": [{}]}]}`)
	fuzzKind(f, "nomad", "\nx", func(t *testing.T, data []byte, file manifest.File) {
		for i := range file.Workloads {
			for _, p := range file.Workloads[i].Programs {
				if p.Grace.Value > 30*time.Second {
					t.Errorf("%s: grace %v, more than a client allows", data, p.Grace.Value)
				}
			}
		}
	})
}

func FuzzFly(f *testing.F) {
	addPlaces(f, "app = \"a\"\nkill_timeout = 300\nkill_signal = \"INT\"\n[processes]\nweb = \"a 'b\"\n", "kill_timeout = \"5m\"\n[experimental]\ncmd = [\"a\"]\n[[services]]\nkill_timeout = 3\n")
	fuzzKind(f, "fly", "\n[zz]\nkill_timeout = 1\n", nil)
}

func FuzzProcfile(f *testing.F) {
	addPlaces(f, "web: app\n# comment\nrelease: migrate\n", "\ufeffweb: a\r\nweb: b\n")
	fuzzKind(f, "procfile", "\nno process\n", nil)
}
