package check_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

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
