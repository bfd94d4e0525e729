package check

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shells are those that run a script given by -c.
var shells = []string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"}

// inits forward signals to their child.
var inits = []string{"tini", "dumb-init", "catatonit"}

// withoutShell returns what follows the shell in argv, if it begins with one.
func withoutShell(argv []string) (args []string, ok bool) {
	if len(argv) > 1 && path.Base(argv[0]) == "busybox" {
		argv = argv[1:]
	}
	if len(argv) == 0 || !slices.Contains(shells, path.Base(argv[0])) {
		return nil, false
	}
	return argv[1:], true
}

// shellScript returns the script of a shell called with -c.
func shellScript(argv []string) (script string, ok bool) {
	args, ok := withoutShell(argv)
	if !ok {
		return "", false
	}
	for i, arg := range args {
		switch {
		case !strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "--"):
			return "", false
		case strings.Contains(arg, "c") && i+1 < len(args):
			return args[i+1], true
		}
	}
	return "", false
}

// oneString reports whether argv is a command line that nothing splits.
func oneString(argv []string) bool {
	args, isShell := withoutShell(argv)
	if _, script := shellScript(argv); isShell && !script {
		return len(args) == 1 && strings.ContainsAny(args[0], " \t")
	}
	return len(argv) == 1 && strings.ContainsAny(argv[0], " \t")
}

// A command of a script, with what comes before and after it: an operator, or nothing.
type command struct {
	words         []string
	before, after string
}

// split is not the shell's grammar, but enough of it to tell one command from several, and
// to find the words at their beginnings. What it does not know is a word.
func split(script string) []command {
	var all []command
	var words []string
	var word strings.Builder
	var quote rune
	before, inWord, escaped := "", false, false
	endWord := func() {
		if inWord {
			words = append(words, word.String())
		}
		word.Reset()
		inWord = false
	}
	end := func(operator string) {
		endWord()
		if len(words) > 0 {
			all = append(all, command{words: words, before: before, after: operator})
			words = nil
		}
		before = operator
	}
	runes := []rune(script)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case escaped:
			word.WriteRune(r)
			inWord, escaped = true, false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case strings.ContainsRune(";&|\n", r):
			operator := string(r)
			redirected := r == '&' && i > 0 && (runes[i-1] == '>' || runes[i-1] == '<')
			if redirected {
				word.WriteRune(r) // 2>&1
				continue
			}
			if i+1 < len(runes) && runes[i+1] == r && r != '\n' {
				operator += string(r)
				i++
			}
			end(operator)
		case r == ' ' || r == '\t' || r == '\r':
			endWord()
		case r == '#' && !inWord:
			for i+1 < len(runes) && runes[i+1] != '\n' {
				i++
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	end("")
	return all
}

// replacesShell reports whether the script hands the process over with exec, or takes the
// signal itself with trap.
func replacesShell(script string) bool {
	for _, c := range split(script) {
		words := c.words
		for len(words) > 0 && isPrefix(words[0]) {
			words = words[1:]
		}
		switch {
		case len(words) < 2 || c.before == "|" || c.after == "|" || c.after == "&":
		case words[0] == "trap":
			return true
		case words[0] == "exec" && !strings.ContainsAny(words[1], "<>"):
			return true
		}
	}
	return false
}

// isPrefix reports whether a command may follow the word: a keyword or an assignment.
func isPrefix(word string) bool {
	switch word {
	case "then", "else", "do", "{", "!", "if", "while", "until":
		return true
	}
	name, _, assignment := strings.Cut(word, "=")
	return assignment && name != "" && !strings.ContainsAny(name, "/-.")
}

// isSleep reports whether the command only sleeps, for a time that is written there.
func isSleep(words []string) bool { return sleepTime(words) >= 0 }

// maxSleep stands for sleep infinity, and bounds sums.
const maxSleep = 1 << 31 * time.Second

// sleepTime is how long the command sleeps, -1 if it is not a sleep. Several times add up.
func sleepTime(words []string) time.Duration {
	if len(words) > 1 && path.Base(words[0]) == "busybox" {
		words = words[1:]
	}
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

func sleepArgument(w string) (time.Duration, bool) {
	if w == "inf" || w == "infinity" {
		return maxSleep, true
	}
	unit := time.Second
	switch {
	case strings.HasSuffix(w, "s"):
	case strings.HasSuffix(w, "m"):
		unit = time.Minute
	case strings.HasSuffix(w, "h"):
		unit = time.Hour
	case strings.HasSuffix(w, "d"):
		unit = 24 * time.Hour
	}
	n, err := strconv.ParseFloat(strings.TrimRight(w, "smhd"), 64)
	if err != nil || !(n >= 0) {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), float64(maxSleep))), true
}

// sleepScript reports whether a script does nothing but sleep, and for how long; if it
// does more, leading is how long it sleeps in any case before that.
func sleepScript(commands []command) (wait time.Duration, only bool, leading time.Duration) {
	only = true
	for i, c := range commands {
		sequence := c.after == ";" || c.after == "&&" || c.after == "\n" || c.after == ""
		switch d := sleepTime(c.words); {
		case !sequence:
			return 0, false, leading
		case d >= 0 && only:
			wait = min(wait+d, maxSleep)
			leading = wait
		case slices.Contains([]string{"true", ":", "echo"}, c.words[0]):
		case c.words[0] == "exit" && i == len(commands)-1:
		default:
			only = false
		}
	}
	return wait, only && wait > 0, leading
}
