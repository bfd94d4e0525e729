package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// heading is above the part of README.md that this program writes. The part ends at the next heading of
// that level.
const heading = "\n## Results\n"

// insert replaces the part of a README below heading.
func insert(readme, tables string) (string, error) {
	before, rest, found := strings.Cut(readme, heading)
	_, after, closed := strings.Cut(rest, "\n## ")
	if !found || !closed {
		return "", errors.New("README.md has no heading \"Results\" with another one of that level after it")
	}
	return before + heading + tables + "\n## " + after, nil
}

// render writes everything that follows from the results.
func render(r *Results) string {
	entries := sorted(r)
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", gradeTable(entries))
	fmt.Fprintf(&b, "%s\n%s%s%s\n", spread(r), comparison(entries), failures(entries), strained(entries))
	fmt.Fprintf(&b, "### Losses by phase\n\n%s\n", lossTable(entries))
	fmt.Fprintf(&b, "### Versions and commands\n\n%s", commandTable(entries))
	fmt.Fprintf(&b, "\nThe last measurement was made on %s/%s with %d processors and %s. For every server the drill ran with these flags:\n\n```sh\ndrill %s\n```\n",
		r.Machine.OS, r.Machine.Arch, r.Machine.Processors, r.Machine.Go, quoted(r.Flags))
	return b.String()
}

// sorted puts the best grade of the first mode first, and keeps the order of servers within a grade.
func sorted(r *Results) []*Entry {
	entries := slices.Clone(r.Servers)
	place := func(e *Entry) int { return slices.Index(dirs(), e.Dir) }
	slices.SortFunc(entries, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(a.last(modes[0]).Grade, b.last(modes[0]).Grade), cmp.Compare(place(a), place(b)))
	})
	return entries
}

func (e *Entry) last(mode string) Outcome { return e.Measured[0].Outcome[mode] }

func gradeTable(entries []*Entry) string {
	rows := [][]string{{"server", "alone", "lost", "executed", "exit after", "rolling", "lost", "executed", "measured before"}}
	for _, e := range entries {
		row := []string{link(e)}
		for n, mode := range modes {
			o := e.last(mode)
			row = append(row, fmt.Sprintf("**%s** %s", o.Grade, strings.Join(o.Grades, "")), span(o.Lost, strconv.Itoa), span(o.Executed, strconv.Itoa))
			if n == 0 {
				row = append(row, span(o.Exit, seconds)+" s")
			}
		}
		before := "–"
		if len(e.Measured) > 1 {
			var grades []string
			for _, mode := range modes {
				grades = append(grades, strings.Join(e.Measured[1].Outcome[mode].Grades, ""))
			}
			before = strings.Join(grades, ", ")
		}
		rows = append(rows, append(row, before))
	}
	return markdown(rows)
}

func lossTable(entries []*Entry) string {
	rows := [][]string{{"server", "mode", "phase", "kind", "lost in each run", "executed"}}
	for _, e := range entries {
		for _, mode := range modes {
			for _, row := range e.last(mode).Table {
				executed := "unknown"
				if row.Executed != nil {
					executed = fmt.Sprint(*row.Executed)
				}
				rows = append(rows, []string{e.Name, modeNames[mode], row.Phase, row.Kind, each(row.Lost), executed})
			}
		}
	}
	return markdown(rows)
}

func commandTable(entries []*Entry) string {
	rows := [][]string{{"server", "versions", "measured (UTC)", "flags of its own", "command"}}
	for _, e := range entries {
		rows = append(rows, []string{link(e), e.Versions, e.Measured[0].Began, code(quoted(e.Flags)), code(quoted(e.Command))})
	}
	return markdown(rows)
}

var modeNames = map[string]string{"direct": "alone", "rolling": "rolling"}

// comparison says where another server is better than the one of this repository, or as good.
func comparison(entries []*Entry) string {
	at := slices.IndexFunc(entries, func(e *Entry) bool { return e.Dir == servers[0].Dir })
	if at < 0 {
		return ""
	}
	own := entries[at]
	var b strings.Builder
	for _, mode := range modes {
		var better, equal []string
		mine := own.last(mode)
		for _, e := range entries {
			switch grade := e.last(mode).Grade; {
			case grade < mine.Grade:
				better = append(better, code(e.Dir))
			case grade == mine.Grade && e != own:
				equal = append(equal, code(e.Dir))
			}
		}
		fmt.Fprintf(&b, "- In the column *%s*, %s has the grade %s. A better grade: %s. The same grade: %s.\n",
			modeNames[mode], own.Name, mine.Grade, names(better), names(equal))
	}
	var sooner []string
	slowest := slices.Max(own.last(modes[0]).Exit)
	for _, e := range entries {
		if slices.Max(e.last(modes[0]).Exit) < slowest {
			sooner = append(sooner, code(e.Dir))
		}
	}
	fmt.Fprintf(&b, "- Alone, it exited after at most %s s. It keeps idle connections open for a second, so that no client loses a request on them. Servers whose slowest run was shorter: %s.\n",
		seconds(slowest), names(sooner))
	return b.String()
}

// failures gives the reason of each F, which is the first that the drill names.
func failures(entries []*Entry) string {
	var b strings.Builder
	for _, e := range entries {
		for _, mode := range modes {
			if o := e.last(mode); o.Grade == "F" {
				fmt.Fprintf(&b, "- The F of %s (%s): %s.\n", code(e.Dir), modeNames[mode], o.Reasons[0])
			}
		}
	}
	return b.String()
}

// strained names the servers in whose runs the machine was busy. The grades count all the same.
func strained(entries []*Entry) string {
	var busy []string
	for _, e := range entries {
		if slices.ContainsFunc(modes, func(mode string) bool { return e.last(mode).Bottleneck }) {
			busy = append(busy, code(e.Dir))
		}
	}
	if len(busy) == 0 {
		return ""
	}
	return "- The machine was the bottleneck in a run of: " + names(busy) + ".\n"
}

func names(list []string) string { return cmp.Or(strings.Join(list, ", "), "none") }

// spread says whether two measurements differ by more than one grade.
func spread(r *Results) string {
	var once, apart []string
	for _, e := range r.Servers {
		if len(e.Measured) < 2 {
			once = append(once, code(e.Dir))
			continue
		}
		for _, mode := range modes {
			if distance(e.Measured[0].Outcome[mode].Grade, e.Measured[1].Outcome[mode].Grade) > 1 {
				apart = append(apart, code(e.Dir)+" ("+modeNames[mode]+")")
			}
		}
	}
	text := "Between the last two measurements, no grade changed by more than one."
	if len(apart) > 0 {
		text = "Between the last two measurements, these grades changed by more than one: " + strings.Join(apart, ", ") + "."
	}
	if len(once) == len(r.Servers) {
		text = "Each server was measured once."
	} else if len(once) > 0 {
		text += " Measured once: " + strings.Join(once, ", ") + "."
	}
	return text + "\n"
}

// changes are the grades of an entry, with those before.
func changes(e *Entry) string {
	var parts []string
	for _, mode := range modes {
		text := fmt.Sprintf("%s %s (%s), lost %s", modeNames[mode], e.last(mode).Grade, strings.Join(e.last(mode).Grades, " "), each(e.last(mode).Lost))
		if len(e.Measured) > 1 {
			text += ", before " + e.Measured[1].Outcome[mode].Grade
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func link(e *Entry) string { return fmt.Sprintf("[%s](servers/%s)", e.Name, e.Dir) }

func each(counts []int) string { return strings.Trim(fmt.Sprint(counts), "[]") }

// span has the lowest and the highest value of all runs.
func span[T int | float64](values []T, text func(T) string) string {
	low, high := text(slices.Min(values)), text(slices.Max(values))
	if low == high {
		return low
	}
	return low + "–" + high
}

// seconds takes milliseconds.

func seconds(ms float64) string { return fmt.Sprintf("%.1f", math.Round(ms/100)/10) }

func quoted(args []string) string {
	var words []string
	for _, arg := range args {
		if strings.ContainsAny(arg, ` "$&;|>{}`) {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

func code(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }

// markdown is a table whose first row is the head.
func markdown(rows [][]string) string {
	var b strings.Builder
	for n, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if n == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}
