package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// count groups the digits by three.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// nanoseconds formats a time with three digits and a unit.
func nanoseconds(ns float64) string {
	units := []string{"ns", "µs", "ms", "s"}
	for len(units) > 1 && ns >= 999.5 {
		ns, units = ns/1000, units[1:]
	}
	return digits(ns) + " " + units[0]
}

func byteCount(n float64) string { return count(int(math.Round(n))) + " B" }

// digits formats a number with three digits, without trailing zeros.
func digits(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.Abs(v) < 0.005:
		return "0"
	case math.Abs(v) >= 99.95:
		return count(int(math.Round(v)))
	}
	decimals := 2
	if math.Abs(v) >= 9.995 {
		decimals = 1
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', decimals, 64), "0"), ".")
}

func percent(part float64) string { return "±" + strconv.Itoa(int(math.Round(100*part))) + " %" }

// times formats a ratio.
func times(ratio float64) string {
	if math.IsNaN(ratio) {
		return "–"
	}
	if ratio < 0.995 && ratio > 0 && ratio < 0.1 {
		return fmt.Sprintf("%.2g×", ratio)
	}
	return digits(ratio) + "×"
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

// table is a Markdown table whose columns are aligned in the source as well.
func table(rows [][]string) string {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for n, cell := range row {
			width[n] = max(width[n], len([]rune(cell)))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for n, cell := range cells {
			b.WriteString("| " + cell + strings.Repeat(" ", width[n]-len([]rune(cell))+1))
		}
		b.WriteString("|\n")
	}
	line(rows[0])
	for _, w := range width {
		b.WriteString("|" + strings.Repeat("-", w+2))
	}
	b.WriteString("|\n")
	for _, row := range rows[1:] {
		line(row)
	}
	return b.String()
}
