package manifest_test

import (
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// A field is found in its document, or the nearest one around it that the file has.
func TestPlaces(t *testing.T) {
	const data = `# a comment
apiVersion: v1
kind: Service
---
# the second document
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  terminationGracePeriodSeconds: 30
  containers:
    - name: app
      lifecycle: &hook
        preStop: {sleep: {seconds: 5}}
    - {name: proxy, lifecycle: *hook}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  spec:
    terminationGracePeriodSeconds: "7"
    containers: []
`
	f := manifest.Decode("x.yaml", "", []byte(data))
	if len(f.Workloads) != 2 || len(f.Errs) != 0 {
		t.Fatalf("%+v, want two workloads", f)
	}
	tests := map[string]struct {
		workload, line, column int
		field, text            string
	}{
		"a value":                        {0, 10, 34, "spec.terminationGracePeriodSeconds", "30"},
		"a mapping":                      {0, 13, 7, "spec.containers[0].lifecycle", ""},
		"in flow style":                  {0, 14, 36, "spec.containers[0].lifecycle.preStop.sleep.seconds", "5"},
		"a mapping elsewhere":            {0, 14, 36, "spec.containers[1].lifecycle.preStop.sleep.seconds", "5"},
		"a field that is not there":      {0, 12, 7, "spec.containers[0].command", ""},
		"an element that is not there":   {0, 11, 3, "spec.containers[7].command", ""},
		"a list without the index":       {0, 12, 13, "spec.containers.name", "app"},
		"the document":                   {0, 6, 1, "", ""},
		"an item, and a value in quotes": {1, 23, 36, "spec.terminationGracePeriodSeconds", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := f.Workloads[tt.workload].Place(tt.field)
			if p.Line != tt.line || p.Column != tt.column || p.Text != tt.text {
				t.Errorf("Place(%q) = %+v, want line %d, column %d, text %q", tt.field, p, tt.line, tt.column, tt.text)
			}
		})
	}
}

// The parser that finds places is another one than the parser that decodes: it may not find a place
// in a file that the other one reads.
func TestNoPlaces(t *testing.T) {
	for _, field := range []string{"spec", "spec.containers[-1]", "[", "..", "[[x"} {
		f := manifest.Decode("x.json", "", []byte(`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[]}}{"apiVersion":"v1","kind":"Pod"}`))
		for _, w := range f.Workloads {
			_ = w.Place(field) // no panic
		}
		if p := f.Workloads[0].Place("spec"); p.Line > 1 {
			t.Errorf("Place(spec) = %+v, want line 0 or 1", p)
		}
	}
}
