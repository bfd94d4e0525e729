package step

import (
	"bytes"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
)

// A Stack is one or more goroutines with a step's label and equal stacks.
type Stack struct {
	Label  string // as Step.Label
	Name   string // of the step
	Number string // as Run.Place has given it
	Run    string // its run
	Count  int
	frames []frame
}

type frame struct{ function, position string }

// Text renders the stack without a wait state.
func (st *Stack) Text() string {
	var b strings.Builder
	st.write(&b, "")
	return strings.TrimSuffix(b.String(), "\n")
}

func (st *Stack) write(b *strings.Builder, state string) {
	fmt.Fprintf(b, "%d goroutine", st.Count)
	if st.Count != 1 {
		b.WriteByte('s')
	}
	if state != "" {
		fmt.Fprintf(b, " [%s]", state)
	}
	b.WriteString(":\n")
	for _, f := range st.frames {
		if strings.HasPrefix(f.function, ourPrefix) {
			break // below the step's function there is only what has called it
		}
		fmt.Fprintf(b, "\t%s\n\t\t%s\n", f.function, f.position)
	}
}

// Has reports whether a function for which match is true is on the stack.
func (st *Stack) Has(match func(function string) bool) bool {
	for _, f := range st.frames {
		if match(f.function) {
			return true
		}
	}
	return false
}

const (
	module    = "github.com/lastcall-go/lastcall/"
	ourPrefix = module + "internal/step."
)

// Ours reports whether the goroutine was started by one of the packages that this one is
// for, rather than by what a step calls.
func (st *Stack) Ours() bool {
	entry := st.entry()
	for _, p := range [...]string{ourPrefix, module + "group.", module + "shutdown."} {
		if strings.HasPrefix(entry, p) {
			return true
		}
	}
	return entry == ""
}

// Unborn reports whether the goroutine has not begun to run yet, or is about to end: there
// is no function on its stack.
func (st *Stack) Unborn() bool { return st.entry() == "" }

// entry is the function that the goroutine was started with.
func (st *Stack) entry() (entry string) {
	for _, f := range st.frames {
		if !strings.HasPrefix(f.function, "runtime.") {
			entry = f.function
		}
	}
	return entry
}

// spot is the first frame outside the standard library, which is where a reader
// wants to look, else the first.
func spot(frames []frame) string {
	for _, f := range frames {
		first, _, _ := strings.Cut(f.function, "/")
		if strings.HasPrefix(f.function, "main.") || (first != f.function && strings.Contains(first, ".")) {
			return f.function + " (" + base(f.position) + ")"
		}
	}
	if len(frames) == 0 {
		return "the runtime"
	}
	return frames[0].function
}

func base(position string) string { return position[strings.LastIndexByte(position, '/')+1:] }

func key(frames []frame) string {
	var b strings.Builder
	for _, f := range frames {
		if !strings.HasPrefix(f.function, "runtime.") {
			b.WriteString(f.position)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Labelled returns the stacks of all goroutines that carry a label of this
// package. The text form of the goroutine profile is the only one that has the
// labels and does not stop the world for longer than an instant.
func Labelled() []Stack {
	if cannotPreempt() {
		return nil
	}
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return nil
	}
	var found []Stack
	for block := range strings.SplitSeq(b.String(), "\n\n") {
		if st, ok := parseBlock(block); ok {
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

func parseBlock(block string) (st Stack, ok bool) {
	for line := range strings.SplitSeq(block, "\n") {
		switch {
		case strings.HasPrefix(line, "# labels: {"):
			if ok = st.parse(line); !ok {
				return st, false
			}
		case strings.HasPrefix(line, "#\t0x"):
			st.frames = append(st.frames, parseFrame(line))
		case st.Count == 0:
			n, _, _ := strings.Cut(line, " @ ")
			st.Count, _ = strconv.Atoi(n)
		}
	}
	return st, ok
}

// parse finds the label in the line that lists all of them.
func (st *Stack) parse(line string) bool {
	_, rest, ok := strings.Cut(line, strconv.Quote(labelKey)+":")
	if !ok {
		return false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return false
	}
	label, _ := strconv.Unquote(quoted)
	return st.read(label)
}

// read takes the value of a label apart: name#number#run.
func (st *Stack) read(label string) bool {
	run := strings.LastIndexByte(label, '#')
	number := strings.LastIndexByte(label[:max(run, 0)], '#')
	if number < 0 {
		return false
	}
	st.Label, st.Name, st.Number, st.Run = label, label[:number], label[number+1:run], label[run+1:]
	return true
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
