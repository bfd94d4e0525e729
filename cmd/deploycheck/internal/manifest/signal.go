package manifest

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// signals are the signals of Linux that have a name, by number (signal(7), man-pages 6.9).
var signals = [...]string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL",
	10: "USR1", 11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD",
	18: "CONT", 19: "STOP", 20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ",
	26: "VTALRM", 27: "PROF", 28: "WINCH", 29: "IO", 30: "PWR", 31: "SYS",
}

// otherNames are the second names of signals (signal(7), man-pages 6.9).
var otherNames = map[string]string{"IOT": "ABRT", "CLD": "CHLD", "POLL": "IO"}

var realTime = regexp.MustCompile(`^RT(MIN|MAX)([+-][0-9]+)?$`)

// SignalName returns the full name of a signal that is given by its name, with or without SIG, or by
// its number.
func SignalName(text string) (name string, ok bool) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n >= len(signals) {
			return "", false
		}
		return "SIG" + signals[n], true
	}
	name = strings.TrimPrefix(strings.ToUpper(text), "SIG")
	name = cmp.Or(otherNames[name], name)
	for _, known := range signals {
		if known != "" && known == name {
			return "SIG" + name, true
		}
	}
	if realTime.MatchString(name) {
		return "SIG" + name, true
	}
	return "", false
}

func isSignal(text string) bool { _, ok := SignalName(text); return ok }

// signal is the setting of a signal that the file has. A text that is not a signal stays as it is: no
// program handles it.
func signal(field, text string) Setting[string] {
	name, ok := SignalName(text)
	if !ok {
		name = text
	}
	return Setting[string]{Value: name, Text: cmp.Or(text, `""`), Field: field}
}

func (w *Workload) fault(code finding.Code, field, message, fix string) {
	w.Faults = append(w.Faults, finding.New(code, field, message, fix))
}
