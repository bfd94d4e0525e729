package stacks

import "strings"

// WaitState is what a goroutine waits for, by the first line of its traceback.
var WaitState = waitState

// These are where a build has its files from.
var (
	Untrimmed = sources{
		standard: "/go/src/", library: "/mod/github.com/lastcall-go/lastcall/",
		modules: []string{"example.com/app"}, main: "example.com/app@v1.0.0/",
	}
	Trimmed = sources{
		library: "github.com/lastcall-go/lastcall/",
		modules: []string{"myapp", "github.com/lastcall-go/lastcall"}, main: "myapp@(devel)/",
	}
)

// At is a Look of such a build at a step with these stacks, the innermost frame first, each
// of which is a function and its position. States has the wait state by the innermost
// function.
func (s sources) At(states map[string]string, stacks ...Stack) Snapshot {
	l := Snapshot{sources: s, stacks: map[string][]Stack{"": stacks}, states: make(map[string]string)}
	for _, st := range stacks {
		l.states[key(st.frames)] = states[st.frames[0].function]
	}
	return l
}

// Goroutines are so many with this stack.
func Goroutines(count int, lines ...string) Stack {
	st := Stack{Count: count}
	for _, line := range lines {
		function, position, _ := strings.Cut(line, " ")
		st.frames = append(st.frames, frame{function, position})
	}
	return st
}
