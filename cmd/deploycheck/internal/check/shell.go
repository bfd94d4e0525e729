package check

import (
	"path"
	"slices"
	"strings"
)

// shells are the shells that run the script given by -c.
var shells = []string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"}

// inits are the init programs that forward signals to their child.
var inits = []string{"docker-init", "tini", "dumb-init", "catatonit"}

// withoutShell returns the arguments of the shell, if argv begins with one.
func withoutShell(argv []string) (args []string, ok bool) {
	argv = unwrap(argv)
	if len(argv) == 0 || !slices.Contains(shells, path.Base(argv[0])) {
		return nil, false
	}
	return argv[1:], true
}

// unwrap removes env and busybox from the beginning of argv.
func unwrap(argv []string) []string {
	if len(argv) > 1 && path.Base(argv[0]) == "env" {
		argv = argv[1:]
		for len(argv) > 0 && (argv[0] == "-i" || strings.Contains(argv[0], "=")) {
			argv = argv[1:]
		}
	}
	if len(argv) > 1 && path.Base(argv[0]) == "busybox" {
		argv = argv[1:]
	}
	return argv
}

// shellScript returns the script of a shell called with -c.
func shellScript(argv []string) (script string, ok bool) {
	args, ok := withoutShell(argv)
	if !ok {
		return "", false
	}
	rest, isScript := shellOptions(args)
	if !isScript || len(rest) == 0 {
		return "", false
	}
	return rest[0], true
}

// shellOptions returns the arguments after the options, and whether -c is one of the options.
// Options may be combined, and -o takes the next argument: -euo pipefail -c.
func shellOptions(args []string) (rest []string, c bool) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-" || arg == "--":
			return args[i+1:], c
		case arg == "--rcfile" || arg == "--init-file":
			i++
		case strings.HasPrefix(arg, "--"):
		case strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "+"):
			c = c || arg[0] == '-' && strings.Contains(arg, "c")
			if strings.ContainsAny(arg, "oO") {
				i++
			}
		default:
			return args[i:], c
		}
	}
	return nil, c
}

// oneString reports whether argv is a command line in one string, which no shell splits.
func oneString(argv []string) bool {
	args, isShell := withoutShell(argv)
	if _, script := shellScript(argv); isShell && !script {
		return len(args) == 1 && strings.ContainsAny(args[0], " \t")
	}
	return len(argv) == 1 && strings.ContainsAny(argv[0], " \t")
}

// A command of a script, with the operators before and after it, which may be empty.
type command struct {
	words         []string
	before, after string
}

// split splits a script into commands. It does not implement the grammar of a shell, only enough to
// separate commands and to find their first words. It treats unknown syntax as words.
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

// replacesShell reports whether the script replaces the shell by exec, or handles SIGTERM by trap.
func replacesShell(script string) bool {
	for _, c := range split(script) {
		words := c.words
		for len(words) > 0 && isPrefix(words[0]) {
			words = words[1:]
		}
		switch {
		case len(words) < 2 || c.before == "|" || c.after == "|" || c.after == "&":
		case words[0] == "trap":
			if trapsTERM(words[1:]) {
				return true
			}
		case words[0] == "exec" && !strings.ContainsAny(words[1], "<>"):
			return true
		}
	}
	return false
}

// trapsTERM reports whether a trap with these arguments handles SIGTERM.
func trapsTERM(args []string) bool {
	if args[0] == "--" {
		args = args[1:]
	}
	return len(args) > 1 && args[0] != "" && args[0] != "-" && slices.ContainsFunc(args[1:], func(signal string) bool {
		return slices.Contains([]string{"TERM", "SIGTERM", "15"}, strings.ToUpper(signal))
	})
}

// isPrefix reports whether the word is a keyword or an assignment that a command may follow.
func isPrefix(word string) bool {
	switch word {
	case "then", "else", "do", "{", "!", "if", "while", "until":
		return true
	}
	name, _, assignment := strings.Cut(word, "=")
	return assignment && name != "" && !strings.ContainsAny(name, "/-.")
}
