package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// writePatch writes the edits of the findings as a patch for git apply and patch -p1.
func writePatch(w io.Writer, r *report) error {
	edits := map[string][]finding.Edit{}
	var files []string // in order
	for i := range r.results {
		for _, f := range r.results[i].Findings {
			if f.Edit == nil {
				continue
			}
			file, err := patched(r.results[i].File)
			if err != nil {
				return err
			}
			if edits[file] == nil {
				files = append(files, file)
			}
			edits[file] = append(edits[file], *f.Edit)
		}
	}
	for _, file := range files {
		before, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		after := apply(string(before), edits[file])
		if after == string(before) {
			return fmt.Errorf("-fix: %s: the values are not at the places that the parser gave: change them by hand", file)
		}
		name := filepath.ToSlash(file)
		if strings.Contains(name, " ") {
			name += "\t" // ends the name, as in patches of diff and git
		}
		if _, err := io.WriteString(w, udiff.Unified("a/"+name, "b/"+name, string(before), after)); err != nil {
			return err
		}
	}
	return nil
}

// unpatched says what the patch leaves out: inputs that could not be read, and findings without an edit.
func unpatched(w io.Writer, r *report) {
	n := 0
	for i := range r.results {
		for _, f := range r.results[i].Findings {
			switch {
			case f.Code == finding.Unreadable, f.Code == finding.UnknownAPI:
				fmt.Fprintf(w, "deploycheck: %s: %s\n", r.results[i].File, f.Message)
			case f.Severity > finding.Note && f.Edit == nil:
				n++
			}
		}
	}
	if n > 0 {
		fmt.Fprintf(w, "deploycheck: no patch for %s: run without -fix\n", plural(n, "finding"))
	}
}

// patched returns the name that a file has in the patch: its path in the working directory, where git apply
// and patch look for it.
func patched(file string) (string, error) {
	if file == manifest.Stdin {
		return "", errors.New("-fix: standard input cannot be patched: name a file")
	}
	dir, err := os.Getwd()
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	path := file
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // git apply refuses a path through a link
	}
	if err == nil {
		path, err = filepath.Rel(dir, path)
	}
	if err == nil && !filepath.IsLocal(path) {
		err = fmt.Errorf("%s is outside of the working directory: change to a directory above it", file)
	}
	if err != nil {
		return "", fmt.Errorf("-fix: %w", err)
	}
	return path, nil
}

// apply makes the edits. Edits of one place are one: objects may share a value by an anchor, and the
// one that needs the most time decides.
func apply(text string, edits []finding.Edit) string {
	slices.SortStableFunc(edits, func(a, b finding.Edit) int {
		if d := b.Place.Line - a.Place.Line; d != 0 { // from the end, so that the places stay right
			return d
		}
		if d := b.Place.Column - a.Place.Column; d != 0 {
			return d
		}
		if d := len(b.Value) - len(a.Value); d != 0 { // the longer number is the greater one
			return d
		}
		return strings.Compare(b.Value, a.Value)
	})
	edits = slices.CompactFunc(edits, func(a, b finding.Edit) bool {
		return a.Place.Line == b.Place.Line && a.Place.Column == b.Place.Column
	})
	text, mark := strings.CutPrefix(text, "\ufeff") // no parser counts the byte order mark
	lines := strings.SplitAfter(text, "\n")
	for _, e := range edits {
		if e.Place.Line > len(lines) {
			continue
		}
		line := []rune(lines[e.Place.Line-1])
		if column := e.Place.Column - 1; column <= len(line) {
			lines[e.Place.Line-1] = edited(string(line[:column]), string(line[column:]), e)
		}
	}
	if mark {
		lines[0] = "\ufeff" + lines[0]
	}
	return strings.Join(lines, "")
}

// edited returns the line with the edit between its two parts.
func edited(before, after string, e finding.Edit) string {
	if e.Field == "" {
		rest, ok := strings.CutPrefix(after, e.Place.Text)
		if !ok {
			return before + after // the file has changed meanwhile
		}
		return before + e.Value + rest
	}
	if !strings.HasPrefix(strings.TrimLeft(after, `"'`), e.Place.Text) {
		return before + after
	}
	inJSON := strings.HasPrefix(after, `"`)
	field := e.Field + ": " + e.Value
	if inJSON {
		value := e.Value
		if strings.Trim(value, "0123456789") != "" {
			value = strconv.Quote(value)
		}
		field = fmt.Sprintf("%q: %s", e.Field, value)
	}
	end := "\n"
	if strings.HasSuffix(after, "\r\n") {
		end = "\r\n"
	}
	switch block := strings.TrimSpace(before) == ""; {
	case block && inJSON:
		return before + field + "," + end + before + after
	case block:
		return before + field + end + before + after
	case strings.TrimSpace(before) == "-":
		return before + field + end + strings.ReplaceAll(before, "-", " ") + after
	}
	return before + field + ", " + after
}
