// Package stacks reads the stacks of a program's goroutines. It finds the step that a goroutine
// belongs to, the step that the caller is in, and what a step that does not return waits for.
//
// The profiler label of a goroutine names its step. A goroutine inherits the label from the one
// that starts it.
package stacks

import (
	"bytes"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
)

// Key is the key of the profiler label that every goroutine of a step has. The value is
// name#number#run.
const Key = "lastcall"

// Split splits the value of a label into its parts. The name may contain any character.
func Split(label string) (name, number, run string, ok bool) {
	r := strings.LastIndexByte(label, '#')
	n := strings.LastIndexByte(label[:max(r, 0)], '#')
	if n < 0 {
		return "", "", "", false
	}
	return label[:n], label[n+1 : r], label[r+1:], true
}

// A Stack is the stack of one or more goroutines of a step.
type Stack struct {
	Label             string
	Name, Number, Run string // the parts of the label
	Count             int
	frames            []frame // innermost first
}

// Labelled returns the stacks of all goroutines that have a step's label. It reads the text form
// of the goroutine profile: no other form has the labels and stops the world only for an instant.
func Labelled() []Stack {
	if cannotPreempt() {
		return nil
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return nil
	}
	_, text, _ := bytes.Cut(b.Bytes(), []byte("\n")) // the first line has the total
	var found []Stack
	for block := range bytes.SplitSeq(text, []byte("\n\n")) {
		if !bytes.Contains(block, []byte(strconv.Quote(Key))) {
			continue // so are most goroutines of most programs: do not parse them
		}
		if st, ok := parseBlock(string(block)); ok {
			found = append(found, st)
		}
	}
	return found
}

// cannotPreempt reports whether the runtime was told not to interrupt tight loops. Taking the
// stacks would then block the whole program for as long as a loop runs.
func cannotPreempt() bool {
	return strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1")
}

// parseBlock reads the line "2 @ 0x48aa1d 0x48aa2e", the line with the labels, and a line for each
// frame.
func parseBlock(block string) (st Stack, ok bool) {
	head, rest, _ := strings.Cut(block, "\n")
	labels, lines, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(labels, "# labels: {") || !st.parse(labels) {
		return st, false
	}
	count, _, _ := strings.Cut(head, " @ ")
	st.Count, _ = strconv.Atoi(count)
	for line := range strings.SplitSeq(lines, "\n") {
		if strings.HasPrefix(line, "#\t0x") {
			st.frames = append(st.frames, parseFrame(line))
		}
	}
	return st, true
}

// parse finds the label in the line that lists all of them.
func (st *Stack) parse(line string) (ok bool) {
	_, rest, ok := strings.Cut(line, strconv.Quote(Key)+":")
	if !ok {
		return false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return false
	}
	st.Label, _ = strconv.Unquote(quoted)
	st.Name, st.Number, st.Run, ok = Split(st.Label)
	return ok
}

// parseFrame reads "#	0x48aa1d	main.flush+0x3d	/src/main.go:12". The columns are aligned: there may be
// more than one tab between two.
func parseFrame(line string) frame {
	part := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
	if len(part) < 4 {
		return frame{function: line}
	}
	function := part[2]
	if i := strings.LastIndex(function, "+0x"); i > 0 {
		function = function[:i]
	}
	return frame{function, part[3]}
}

// Text renders the stack without a wait state.
func (st *Stack) Text() string {
	var b strings.Builder
	st.write(&b, "")
	return strings.TrimSuffix(b.String(), "\n")
}

func (st *Stack) write(b *strings.Builder, state string) {
	b.WriteString(goroutines(st.Count))
	if state != "" {
		fmt.Fprintf(b, " [%s]", state)
	}
	b.WriteString(":\n")
	for _, f := range st.stepFrames() {
		fmt.Fprintf(b, "\t%s\n\t\t%s\n", f.function, f.position)
	}
}

func goroutines(n int) string {
	if n == 1 {
		return "1 goroutine"
	}
	return strconv.Itoa(n) + " goroutines"
}

// stepFrames returns the frames of the step's function and of the functions that it calls. The
// rest of the stack is the same for all steps.
func (st *Stack) stepFrames() []frame {
	for i, f := range st.frames {
		if isStepCaller(f.function) {
			return st.frames[:i]
		}
	}
	return st.frames
}

// has reports whether a function for which match is true is on the stack.
func (st *Stack) has(match func(function string) bool) bool {
	for _, f := range st.frames {
		if match(f.function) {
			return true
		}
	}
	return false
}

// StartedByLibrary reports whether this library has started the goroutine, or the goroutine has no
// function on its stack.
func (st *Stack) StartedByLibrary() bool {
	entry := st.entry()
	return entry == (frame{}) || theSources().isLibrary(unversioned(entry.position))
}

// NotStarted reports whether there is no function on the stack: the goroutine has not begun to run
// yet, or is about to end.
func (st *Stack) NotStarted() bool { return st.entry() == (frame{}) }

// entry returns the function that the goroutine was started with.
func (st *Stack) entry() (entry frame) {
	for _, f := range st.frames {
		if !strings.HasPrefix(f.function, "runtime.") {
			entry = f
		}
	}
	return entry
}

// IdleConnection reports whether the goroutine is one of the two that net/http keeps for a
// connection that may be reused. A single http.Get leaves them behind.
func (st *Stack) IdleConnection() bool {
	return st.has(func(function string) bool {
		return (strings.HasPrefix(function, "net/http.") || strings.HasPrefix(function, "net/http/internal/")) &&
			(strings.HasSuffix(function, ").readLoop") || strings.HasSuffix(function, ").writeLoop"))
	})
}
