package stacks

import "strings"

// WaitState is waitState.
var WaitState = waitState

// The sources of a build with full paths, and of one with -trimpath.
var (
	Untrimmed = sources{
		standard: "/go/src/", own: "/mod/github.com/lastcall-go/lastcall/",
		modules: []string{"example.com/app"}, main: "example.com/app@v1.0.0/",
	}
	Trimmed = sources{
		own:     "github.com/lastcall-go/lastcall/",
		modules: []string{"myapp", "github.com/lastcall-go/lastcall"}, main: "myapp@(devel)/",
	}
)

// At returns a Snapshot, in such a build, of a step with these stacks. states has the wait states
// by the innermost functions.
func (s sources) At(states map[string]string, stacks ...Stack) Snapshot {
	l := Snapshot{sources: s, stacks: map[string][]Stack{"": stacks}, states: make(map[string]string)}
	for _, st := range stacks {
		l.states[key(st.frames)] = states[st.frames[0].function]
	}
	return l
}

// Goroutines returns the stack of count goroutines. Each line is a function and its position, the
// innermost first.
func Goroutines(count int, lines ...string) Stack {
	st := Stack{Count: count}
	for _, line := range lines {
		function, position, _ := strings.Cut(line, " ")
		st.frames = append(st.frames, frame{function, position})
	}
	return st
}

// ParseFrame parses a line of a profile.
func ParseFrame(line string) (function, position string) {
	f := parseFrame(line)
	return f.function, f.position
}
