// Package report prints findings: the code, the reason, and the address of the page
// about it. It leaves out generated code, tests, and lines that a directive accepts.
package report

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Codes are the names of the checks.
var Codes = []string{"deadctx", "exit", "norun", "outerctx", "packageserve", "serveends", "signals", "unbounded"}

// URL returns the address of the page about a code.
func URL(code string) string {
	return "https://github.com/lastcall-go/lastcall/blob/main/docs/lastcallvet/" + code + ".md"
}

// A Reporter reports the findings of one check in one package.
type Reporter struct {
	pass    *analysis.Pass
	code    string
	silent  map[string]bool         // files without findings
	line    map[string]map[int]bool // lines where a directive accepts the code
	derived map[string]bool         // files whose text is not what the compiler saw
	seen    map[token.Pos]bool
}

// New finds the files and lines of the package in which nothing is reported.
func New(pass *analysis.Pass, code string) *Reporter {
	r := &Reporter{
		pass: pass, code: code,
		silent: map[string]bool{}, line: map[string]map[int]bool{}, derived: map[string]bool{},
		seen: map[token.Pos]bool{},
	}
	for _, f := range pass.Files {
		name := pass.Fset.Position(f.Package).Filename
		raw := pass.Fset.PositionFor(f.Package, false).Filename
		r.derived[name] = name != raw
		r.silent[name] = strings.HasSuffix(name, "_test.go") || generated(f, name != raw)
		for _, d := range directives(f) {
			if d.code == code && d.reason != "" {
				at := pass.Fset.Position(d.pos)
				if r.line[at.Filename] == nil {
					r.line[at.Filename] = map[int]bool{}
				}
				r.line[at.Filename][at.Line] = true
				r.line[at.Filename][at.Line+1] = true
			}
		}
	}
	return r
}

// generated reports whether a file says that a program wrote it. A file that cgo has
// rewritten says so too, but counts as written by the user.
func generated(f *ast.File, derived bool) bool {
	if !derived {
		return ast.IsGenerated(f)
	}
	for _, group := range f.Comments {
		for _, c := range group.List {
			text := c.Text
			if strings.HasPrefix(text, "// Code generated ") && strings.HasSuffix(text, " DO NOT EDIT.") && !strings.Contains(text, "cmd/cgo") {
				return true
			}
		}
	}
	return false
}

// Report reports a finding, once for each place.
func (r *Reporter) Report(pos, end token.Pos, fixes []analysis.SuggestedFix, format string, args ...any) {
	at := r.pass.Fset.Position(pos)
	if !pos.IsValid() || r.seen[pos] || r.silent[at.Filename] || r.line[at.Filename][at.Line] {
		return
	}
	r.seen[pos] = true
	if r.derived[at.Filename] {
		fixes = nil
	}
	r.pass.Report(analysis.Diagnostic{
		Pos: pos, End: end, Category: r.code, URL: URL(r.code),
		Message:        r.code + ": " + fmt.Sprintf(format, args...) + " (" + URL(r.code) + ")",
		SuggestedFixes: fixes,
	})
}

// Line returns the file and line of a position, for a message about another place.
func (r *Reporter) Line(pos token.Pos) string {
	return fmt.Sprintf("line %d", r.pass.Fset.Position(pos).Line)
}

const prefix = "//lastcall:"

type directive struct {
	pos          token.Pos
	verb         string
	code, reason string
}

// directives lists the comments for this tool.
func directives(f *ast.File) []directive {
	var list []directive
	for _, group := range f.Comments {
		for _, c := range group.List {
			rest, ok := strings.CutPrefix(c.Text, prefix)
			if !ok {
				continue
			}
			d := directive{pos: c.Pos()}
			d.verb, rest, _ = strings.Cut(rest, " ")
			d.code, rest, _ = strings.Cut(strings.TrimSpace(rest), " ")
			rest, _, _ = strings.Cut(rest, "// want") // of the tests of this tool
			d.reason = strings.TrimSpace(rest)
			list = append(list, d)
		}
	}
	return list
}

// Ignore checks the directives themselves.
var Ignore = &analysis.Analyzer{
	Name: "ignore",
	Doc:  "a directive //lastcall:ignore without a code that exists or without a reason",
	URL:  URL("ignore"),
	Run:  ignore,
}

func ignore(pass *analysis.Pass) (any, error) {
	r := New(pass, "ignore")
	for _, f := range pass.Files {
		for _, d := range directives(f) {
			end := d.pos + token.Pos(len(prefix))
			switch {
			case d.verb != "ignore":
				r.Report(d.pos, end, nil, "there is no directive lastcall:%s; write //lastcall:ignore CODE reason", d.verb)
			case !slices.Contains(Codes, d.code):
				r.Report(d.pos, end, nil, "this ignores nothing: %q is no code; the codes are %s", d.code, strings.Join(Codes, ", "))
			case d.reason == "":
				r.Report(d.pos, end, nil, "this ignores nothing without a reason; write //lastcall:ignore %s and why the finding is accepted", d.code)
			}
		}
	}
	return nil, nil
}
