package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// A source is a file from which manifests are made: a template, a chart, a kustomization or a patch.
// It is no manifest, so nothing in it can be wrong as one.
func (f *File) source(at place, kind, name, message, fix string) {
	f.Workloads = append(f.Workloads, Workload{
		File: f.Name, Document: at.document, Kind: kind, Name: name, Lookup: at.lookup(),
		Faults: []finding.Finding{finding.New(finding.NotRendered, "", message, fix)},
	})
}

// template adds the file as a template, if it is one: it is in a chart, or it is not YAML because of
// actions such as {{ .Values.grace }}.
func (f *File) template(data []byte, isYAML bool) bool {
	if !bytes.Contains(data, []byte("{{")) {
		return false
	}
	chart := chartOf(f.Name)
	if chart == "" && (isYAML || !action.Match(data)) {
		return false
	}
	f.source(place{tree: treeOf(nil)}, "Template", filepath.Base(f.Name), "this is a template: nothing in it was checked", renderChart(chart))
	return true
}

// action matches an action of a template at a place where YAML has no text: at the beginning of a line,
// or as a value without quotes.
var action = regexp.MustCompile(`(?m)(^|: +|- +)[ \t]*\{\{`)

// anyTemplate matches what only a template has, in files that are not YAML either: an action as a value, or a
// statement.
var anyTemplate = regexp.MustCompile(action.String() + `|(?m)^[ \t]*(\{%|\w+[ \t]*=[ \t]*\{\{|FROM[ \t]+\{\{)`)

// jsonTemplate matches what only a template of JSON has: a value that begins with a placeholder.
var jsonTemplate = regexp.MustCompile(`[:\[]\s*(\{\{|\$\{|<%)|\{%`)

// unreadable adds the error of the parser, or the file as a template if it looks like one.
func (f *File) unreadable(kind string, data []byte, err error) {
	isTemplate := anyTemplate.Match(data)
	if start := bytes.TrimSpace(data); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		isTemplate = isTemplate || jsonTemplate.Match(data)
	}
	if !isTemplate {
		f.Errs = append(f.Errs, &Error{File: f.Name, Err: err})
		return
	}
	f.source(place{tree: treeOf(nil)}, kind, filepath.Base(f.Name), "this is a template: nothing in it was checked",
		"render it, and check the result: deploycheck -kind "+strings.ToLower(kind)+" - reads standard input")
}

func renderChart(chart string) string {
	if chart == "" {
		return "render it, and check the result: helm template CHART | deploycheck -"
	}
	return "render the chart, and check the result: helm template " + chart + " | deploycheck -"
}

// chartOf returns the folder of the chart whose template this file is, or "".
func chartOf(name string) string {
	for dir := filepath.Dir(name); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) != "templates" {
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "Chart.yaml")); err == nil {
			return filepath.Dir(dir)
		}
	}
	return ""
}

// ofChart reports whether the folder has the templates of a chart, or the charts that it uses. The
// finding about the chart stands for them.
func ofChart(dir string) bool {
	if base := filepath.Base(dir); base != "templates" && base != "charts" {
		return false
	}
	_, err := os.Stat(filepath.Join(filepath.Dir(dir), "Chart.yaml"))
	return err == nil
}

// isValues reports whether the file has the values of a chart beside it.
func isValues(name string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(name), "Chart.yaml"))
	return err == nil && strings.HasPrefix(filepath.Base(name), "values")
}

// isChart reports whether the file describes a chart.
func isChart(name string) bool { return filepath.Base(name) == "Chart.yaml" }

// chart adds a chart, instead of its templates.
func (f *File) chart(at place, raw json.RawMessage) {
	var c struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(raw, &c) // on an error the name is empty
	f.source(at, "Chart", c.Name, "a chart: its templates were not checked", renderChart(filepath.Dir(f.Name)))
}

// placeholders matches the placeholders of template languages in a value.
var placeholders = regexp.MustCompile(`\{\{|\$[{(A-Za-z_]|\(\(|\[\[|<%|^<.*>$|^@\w+@$`)

// unrendered returns the placeholder that is the value of the field, which is an error in the type.
func unrendered(raw json.RawMessage, field string) (value string, ok bool) {
	var o any
	if field == "" || json.Unmarshal(raw, &o) != nil {
		return "", false
	}
	return placeholder(o, strings.Split(field, "."))
}

// placeholder follows the path, which does not have the indexes of lists.
func placeholder(value any, path []string) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, len(path) == 0 && placeholders.MatchString(value)
	case []any:
		for _, element := range value {
			if text, ok := placeholder(element, path); ok {
				return text, true
			}
		}
	case map[string]any:
		if len(path) > 0 {
			return placeholder(value[path[0]], path[1:])
		}
	}
	return "", false
}

// placeholderFault is the finding for a value that is a placeholder.
func placeholderFault(field, value string) finding.Finding {
	return finding.New(finding.NotRendered, field, fmt.Sprintf("%s is %s, a placeholder: this is a template, and was not checked", field, value),
		"fill it in, and check the result")
}
