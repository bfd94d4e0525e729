package check_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// A finding about another setting names its file, too.
func TestOtherSettingsOfAnotherFile(t *testing.T) {
	const compose = "services: {web: {image: a, stop_grace_period: 30s}}\n"
	override := func(fields string) map[string]string {
		return map[string]string{"compose.override.yaml": "services: {web: {" + fields + "}}\n"}
	}
	dropIn := func(settings string) map[string]string {
		return map[string]string{"app.service.d/10.conf": "[Service]\n" + settings + "\n"}
	}
	for title, tt := range map[string]struct {
		name string
		p    place
		code finding.Code
		want string
	}{
		"a command":               {"compose.yaml", place{data: compose, beside: override("command: sh -c app")}, finding.ShellPID1, "(command is set in "},
		"an entrypoint":           {"compose.yaml", place{data: compose, beside: override("entrypoint: [/entry.sh]")}, finding.ShellScript, "(entrypoint is set in "},
		"a signal":                {"compose.yaml", place{data: compose, beside: override("stop_signal: QUIT")}, finding.StopSignal, "(stop_signal is set in "},
		"a variable":              {"compose.yaml", place{data: compose, beside: override("environment: {TERMINATION_GRACE_PERIOD_SECONDS: 60}")}, finding.EnvGraceAbove, "($TERMINATION_GRACE_PERIOD_SECONDS is set in "},
		"a command of a drop-in":  {"app.service", place{data: service("KillMode=mixed"), beside: dropIn("ExecStart=\nExecStart=/bin/sh -c app")}, finding.ShellPID1, "(ExecStart is set in "},
		"a variable of a drop-in": {"app.service", place{data: service(""), beside: dropIn("Environment=TERMINATION_GRACE_PERIOD_SECONDS=x")}, finding.EnvInvalid, "($TERMINATION_GRACE_PERIOD_SECONDS is set in "},
	} {
		t.Run(title, func(t *testing.T) {
			results := tt.p.results(t, tt.name)
			for _, f := range results[0].Findings {
				if f.Code == tt.code {
					if !strings.Contains(f.Message, tt.want) || f.Place.Line != 0 {
						t.Errorf("line %d: %s\nwant no line and %q", f.Place.Line, f.Message, tt.want)
					}
					return
				}
			}
			t.Errorf("no %s:%s", tt.code, messages(results))
		})
	}
}

// If another file sets the grace period, the finding names that file, and the file that is read gets
// neither a line nor an edit.
func TestGraceOfAnotherFile(t *testing.T) {
	const block = "services:\n  web:\n    image: a\n    stop_grace_period: "
	for title, tt := range map[string]struct {
		name string
		p    place
		from string // empty for the file itself
		edit string // empty for none
	}{
		"an override":                 {"compose.yaml", place{data: block + "60s\n", beside: map[string]string{"compose.override.yaml": block + "5s\n"}}, "compose.override.yaml", ""},
		"an override without the key": {"compose.yaml", place{data: block + "5s\n", beside: map[string]string{"compose.override.yaml": "services: {web: {ports: [\"80\"]}}\n"}}, "", "27s"},
		"an override with a merge key": {
			"compose.yaml", place{data: block + "60s\n", beside: map[string]string{"compose.override.yaml": "x-g: &g {stop_grace_period: 5s}\nservices: {web: {<<: *g}}\n"}}, "compose.override.yaml", "",
		},
		"a part":                          {"compose.prod.yaml", place{data: "services: {web: {stop_grace_period: 5s}}\n", beside: map[string]string{"compose.yaml": block + "60s\n"}}, "", "27s"},
		"the file that a part belongs to": {"compose.prod.yaml", place{data: "services: {web: {ports: [\"80\"]}}\n", beside: map[string]string{"compose.yaml": block + "5s\n"}}, "compose.yaml", ""},
		"a later document":                {"compose.yaml", place{data: block + "60s\n---\nservices: {web: {stop_grace_period: 5s}}\n"}, "", ""},
		"a drop-in":                       {"app.service", place{data: service("TimeoutStopSec=60"), beside: map[string]string{"app.service.d/10.conf": "[Service]\nTimeoutStopSec=5\n"}}, "app.service.d/10.conf", ""},
		"a drop-in that systemd ignores":  {"app.service", place{data: service("TimeoutStopSec=5"), beside: map[string]string{"app.service.d/10.conf": "[Service]\nTimeoutStopSec=\n"}}, "", "27"},
	} {
		t.Run(title, func(t *testing.T) {
			results := tt.p.results(t, tt.name)
			var got []finding.Finding
			for _, f := range results[0].Findings {
				if f.Code == finding.GraceTooShort {
					got = append(got, f)
				}
			}
			if len(got) != 1 {
				t.Fatalf("got %d findings %s, want one:%s", len(got), finding.GraceTooShort, messages(results))
			}
			f := got[0]
			edit := ""
			if f.Edit != nil {
				edit = f.Edit.Value
			}
			if edit != tt.edit || (f.Place.Line == 0) != (tt.edit == "") {
				t.Errorf("edit %q on line %d, want %q", edit, f.Place.Line, tt.edit)
			}
			if named := strings.Contains(f.Message, " is set in "); named != (tt.from != "") || !strings.Contains(filepath.ToSlash(f.Message), tt.from) {
				t.Errorf("message %q, want the file %q", f.Message, tt.from)
			}
		})
	}
}
