package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// An entry is a phrase and what to write instead of it.
type entry struct {
	phrase  *regexp.Regexp
	instead string
}

// parse reads a list.
func parse(text string) (list []entry, err error) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		phrase, instead, _ := strings.Cut(line, " => ")
		phrase, instead = strings.TrimSpace(phrase), strings.TrimSpace(instead)
		if phrase == "" || instead == "" {
			return nil, fmt.Errorf("line %d: want PHRASE => INSTEAD, have %q", i+1, line)
		}
		re, err := regexp.Compile(`(?i)\b(?:` + strings.ReplaceAll(phrase, " ", gap) + `)\b`)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		list = append(list, entry{re, instead})
	}
	if len(list) == 0 {
		return nil, errors.New("no entries")
	}
	return list, nil
}

// gap is what a blank of a phrase stands for. A phrase may run over the end of a line, but not over
// an empty one.
const gap = `(?:[ \t]+|[ \t]*\n[ \t]*)`
