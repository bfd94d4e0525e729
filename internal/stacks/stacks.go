// Package stacks reads the stacks of a program's goroutines: which step a goroutine belongs
// to, which step the caller is in, and what a step that does not obey waits for.
//
// A goroutine belongs to a step by its profiler label, which goroutines inherit from the one
// that starts them.
package stacks

import (
	"bytes"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
)

// Key is the key of the profiler label that every goroutine of a step carries. The value is
// name#number#run.
const Key = "lastcall"

// Split takes the value of a label apart. The name may contain anything.
func Split(label string) (name, number, run string, ok bool) {
	r := strings.LastIndexByte(label, '#')
	n := strings.LastIndexByte(label[:max(r, 0)], '#')
	if n < 0 {
		return "", "", "", false
	}
	return label[:n], label[n+1 : r], label[r+1:], true
}

// A Stack is one or more goroutines of a step with equal stacks.
type Stack struct {
	Label             string
	Name, Number, Run string // the parts of the label
	Count             int
	frames            []frame // innermost first
}

// Labelled returns the stacks of all goroutines that carry a step's label. The text form of
// the goroutine profile is the only one that has the labels and does not stop the world for
// longer than an instant.
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
			continue // most goroutines of most programs: spare them the rest
		}
		if st, ok := parseBlock(string(block)); ok {
			found = append(found, st)
		}
	}
	return found
}

// cannotPreempt reports whether the runtime was told not to interrupt tight
// loops. A look at the stacks would then wait for one, and all other goroutines
// with it, for ever.
func cannotPreempt() bool {
	return strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1")
}

// parseBlock reads "2 @ 0x48aa1d 0x48aa2e", the line with the labels, if there are any, and
// a line for each frame.
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

// parseFrame reads "#	0x48aa1d	main.flush+0x3d	/src/main.go:12".
func parseFrame(line string) frame {
	part := strings.Split(line, "\t")
	if len(part) < 4 {
		return frame{function: line}
	}
	function := part[2]
	if i := strings.LastIndex(function, "+0x"); i > 0 {
		function = function[:i]
	}
	return frame{function, part[len(part)-1]}
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

// within is the frames of the step's function and of what it calls: below there is only
// what has called it.
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

// Ours reports whether the goroutine was started by this library, rather than by what a step
// calls.
func (st *Stack) StartedByLibrary() bool {
	entry := st.entry()
	return entry == (frame{}) || theSources().isLibrary(unversioned(entry.position))
}

// Unborn reports whether the goroutine has not begun to run yet, or is about to end: there
// is no function on its stack.
func (st *Stack) NotStarted() bool { return st.entry() == (frame{}) }

// entry is the function that the goroutine was started with.
func (st *Stack) entry() (entry frame) {
	for _, f := range st.frames {
		if !strings.HasPrefix(f.function, "runtime.") {
			entry = f
		}
	}
	return entry
}

// IdleConnection reports whether the goroutine is one of the two that net/http keeps
// for a connection that may be used again: a step with a single http.Get leaves them.
func (st *Stack) IdleConnection() bool {
	return st.has(func(function string) bool {
		return (strings.HasPrefix(function, "net/http.") || strings.HasPrefix(function, "net/http/internal/")) &&
			(strings.HasSuffix(function, ").readLoop") || strings.HasSuffix(function, ").writeLoop"))
	})
}
