package check

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSleep is the value of sleep infinity, and the limit of sums.
const maxSleep = 1 << 31 * time.Second

// sleepTime returns how long the command sleeps, or -1 if it is not a sleep. Several arguments add
// up.
func sleepTime(words []string) time.Duration {
	words = unwrap(words)
	if len(words) < 2 || path.Base(words[0]) != "sleep" {
		return -1
	}
	var sum time.Duration
	for _, w := range words[1:] {
		d, ok := sleepArgument(w)
		if !ok {
			return -1
		}
		sum = min(sum+d, maxSleep)
	}
	return sum
}

// units are the suffixes of sleep's arguments.
var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

func sleepArgument(w string) (time.Duration, bool) {
	if w == "inf" || w == "infinity" {
		return maxSleep, true
	}
	number, unit := w, time.Second
	if last := len(w) - 1; last > 0 && units[w[last]] > 0 {
		number, unit = w[:last], units[w[last]]
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0) {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), float64(maxSleep))), true
}

// sleepScript returns how long a script sleeps, and whether it does nothing else. It counts only
// sleeps that run in any case.
func sleepScript(commands []command) (wait time.Duration, only bool) {
	only = true
	succeeds := true // the previous command certainly succeeds
	for i, c := range commands {
		reached := c.before == "" || c.before == ";" || c.before == "\n" || c.before == "&&" && succeeds
		d := sleepTime(c.words)
		switch {
		case c.before == "|" || c.after == "|" || c.after == "&":
			only, succeeds = false, false
		case d >= 0:
			if reached {
				wait = min(wait+d, maxSleep)
			}
			succeeds = true
		case slices.Contains([]string{"true", ":", "echo", "printf"}, c.words[0]):
			succeeds = true
		case c.words[0] == "exit" && i == len(commands)-1:
		case changesFlow(c.words[0]):
			return wait, false
		default:
			only, succeeds = false, false
		}
	}
	return wait, only && wait > 0
}

// changesFlow reports whether the commands after the word may run more than once, or not at all.
func changesFlow(word string) bool {
	switch word {
	case "if", "then", "else", "elif", "while", "until", "for", "case", "select", "do", "{", "!", "function", "exit", "exec", "return":
		return true
	}
	return strings.ContainsAny(word, "()")
}
