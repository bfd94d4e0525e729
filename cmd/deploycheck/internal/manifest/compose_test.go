package manifest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// In a directory, a Compose file that only another one uses is checked with that one.
func TestPartsOfComposeFiles(t *testing.T) {
	const base = "services: {base: {image: a}}\n"
	extends := func(file string) string {
		return "services: {web: {extends: {file: " + file + ", service: base}}}\n"
	}
	for title, tt := range map[string]struct{ files, want map[string]string }{
		"extends": {
			map[string]string{"compose.yaml": extends("common.yml"), "common.yml": base},
			map[string]string{"compose.yaml": "checked", "common.yml": "part of compose.yaml"},
		},
		"extends a service without an image": {
			map[string]string{"compose.yaml": "services: {web: {image: a, extends: {file: common.yml, service: base}}}\n", "common.yml": "services: {base: {stop_grace_period: 30s, extends: {service: other}}, other: {command: a}}\n"},
			map[string]string{"compose.yaml": "checked", "common.yml": "part of compose.yaml"},
		},
		"include": {
			map[string]string{"compose.yaml": "include: [sub/other.yaml]\nservices: {web: {image: a}}\n", "sub/other.yaml": base},
			map[string]string{"compose.yaml": "checked", "sub/other.yaml": "part of compose.yaml"},
		},
		"a part of a part": {
			map[string]string{"compose.yaml": extends("b.yml"), "b.yml": "services: {base: {extends: {file: a.yml, service: base}}}\n", "a.yml": base},
			map[string]string{"compose.yaml": "checked", "b.yml": "part of compose.yaml", "a.yml": "part of b.yml"},
		},
		"extends the file that Compose takes": {
			map[string]string{"compose.yaml": base, "compose.prod.yaml": extends("compose.yaml")},
			map[string]string{"compose.yaml": "checked", "compose.prod.yaml": "checked"},
		},
		"COMPOSE_FILE": {
			map[string]string{"compose.yaml": base, "compose.prod.yaml": base, "compose.test.yaml": base, ".env": "COMPOSE_PATH_SEPARATOR=:\nCOMPOSE_FILE=compose.yaml:compose.prod.yaml\n"},
			map[string]string{"compose.yaml": "checked", "compose.prod.yaml": "part of compose.yaml", "compose.test.yaml": "checked"},
		},
		"two that use each other": {
			map[string]string{"a.yml": "services: {web: {extends: {file: b.yml, service: base}}, base: {image: a}}\n", "b.yml": "services: {web: {extends: {file: a.yml, service: base}}, base: {image: a}}\n"},
			map[string]string{"a.yml": "checked", "b.yml": "checked"},
		},
	} {
		t.Run(title, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range tt.files {
				writeFile(t, dir, name, data)
			}
			got := map[string]string{}
			for _, f := range manifest.Read([]string{dir}, "", nil)[0].Files {
				name, err := filepath.Rel(dir, f.Name)
				if err != nil {
					t.Fatal(err)
				}
				text := "checked"
				if len(f.Workloads) == 0 {
					text = f.Skipped[0]
				}
				got[filepath.ToSlash(name)] = text
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// The work grows with the number of services, and not with its square.
func TestAComposeFileWithManyServices(t *testing.T) {
	work := func(services int) float64 {
		var data strings.Builder
		data.WriteString("services:\n")
		for i := range services {
			fmt.Fprintf(&data, "  s%d:\n    build: .\n    ports: [\"80:80\"]\n", i)
		}
		return testing.AllocsPerRun(1, func() {
			f := manifest.Decode("compose.yaml", "", []byte(data.String()))
			if len(f.Workloads) != 1 || len(f.Workloads[0].Programs) != services {
				t.Fatalf("%+v, want %d programs", f, services)
			}
			for _, p := range f.Workloads[0].Programs {
				if f.Workloads[0].Place(p.Path).Line == 0 {
					t.Errorf("%s has no place", p.Path)
				}
			}
		})
	}
	if one, two := work(50), work(100); two > 3*one {
		t.Errorf("%v allocations for 50 services, %v for 100: want at most three times as many", one, two)
	}
}

// A file that is named is checked, also if another one uses it.
func TestPartOfAComposeFileByItself(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "compose.yaml", "include: [other.yaml]\nservices: {web: {image: a}}\n")
	writeFile(t, dir, "other.yaml", "services: {base: {image: a}}\n")
	inputs := manifest.Read([]string{filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "other.yaml")}, "", nil)
	for _, in := range inputs {
		if len(in.Files[0].Workloads) != 1 {
			t.Errorf("%s: %+v, want a workload", in.Name, in.Files[0])
		}
	}
}
