package main

import (
	"bytes"
	"cmp"
	"go/scanner"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// find returns the phrases in a file and in its name, in the order of their lines.
func find(list []entry, file string, text []byte) (found []finding) {
	add := func(line int, text string) {
		for _, e := range list {
			for _, at := range e.phrase.FindAllStringIndex(text, -1) {
				found = append(found, finding{
					file, line + strings.Count(text[:at[0]], "\n"), text[at[0]:at[1]], e.instead,
				})
			}
		}
	}
	add(1, words(strings.TrimSuffix(path.Base(file), path.Ext(file))))
	if strings.HasSuffix(file, ".go") {
		for line, name := range prose(text) {
			add(line, name)
		}
	} else {
		add(1, lineStart.ReplaceAllString(string(text), " "))
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(a.line, b.line) })
	return found
}

// lineStart is what stands before the text of a line in a comment or a quotation.
var lineStart = regexp.MustCompile(`(?m)^[ \t]*(?://+|#+|>|\*)[ \t]*`)

// prose calls yield with each text of a Go file that people read, and its line: the strings, the
// identifiers as words, and the comments, of which those on successive lines are one text.
func prose(text []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		fset := token.NewFileSet()
		file := fset.AddFile("", -1, len(text))
		var s scanner.Scanner
		s.Init(file, text, nil, scanner.ScanComments)
		var comment bytes.Buffer
		first, last := 0, 0 // the lines of the comment
		for {
			pos, tok, lit := s.Scan()
			line := file.Line(pos)
			if comment.Len() > 0 && (tok != token.COMMENT || line != last+1) {
				if !yield(first, lineStart.ReplaceAllString(comment.String(), " ")) {
					return
				}
				comment.Reset()
			}
			switch tok {
			case token.EOF:
				return
			case token.COMMENT:
				if comment.Len() == 0 {
					first = line
				} else {
					comment.WriteByte('\n')
				}
				comment.WriteString(lit)
				last = line + strings.Count(lit, "\n")
			case token.STRING:
				if !yield(line, lit) {
					return
				}
			case token.IDENT:
				if !yield(line, lit) || words(lit) != lit && !yield(line, words(lit)) {
					return
				}
			}
		}
	}
}

// words puts a blank between the words of an identifier or of a file's name.
func words(name string) string {
	name = strings.NewReplacer("_", " ", "-", " ", ".", " ").Replace(name)
	return wordEnd.ReplaceAllString(name, "$1 $2")
}

var wordEnd = regexp.MustCompile(`([a-z0-9])([A-Z])`)
