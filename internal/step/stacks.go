package step

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
)

// How much of a step's stacks is kept: a thousand children in twenty different
// places tell no more than the first of them.
const maxStacks = 20

// Wait states come from a dump for which the world is stopped: 9 to 16 ms with
// 1 000 goroutines, 69 ms with 10 000, 0.7 s with 100 000. Beyond this many the report
// does without.
const maxForStates = 10_000

// dumpPerGoroutine is what a traceback takes of the buffer for it, amply: what does not
// fit is cut off.
const dumpPerGoroutine = 1 << 10

// A Stack is one or more goroutines with a step's label and equal stacks.
type Stack struct {
	Label  string // as Step.Label
	Name   string // of the step
	Number string // as Run.Label has given it
	Run    string // its run
	Count  int
	frames []frame
}

type frame struct{ function, position string }

// takeStacks gives s the stacks of the goroutines that carry its label. It can
// take long where there are very many goroutines.
func (s *Step) takeStacks() {
	s.run.lookup(func(stacks []Stack, states map[string]string) {
		text, waits := render(stacks, s.Label(), states)
		s.run.Lock()
		defer s.run.Unlock()
		s.seen = &sight{text, waits}
	})
}

// lookup calls f with the labelled stacks of the process. Steps that get stuck
// together share one look.
func (r *Run) lookup(f func([]Stack, map[string]string)) {
	r.Lock()
	r.looking = append(r.looking, f)
	if len(r.looking) > 1 {
		r.Unlock()
		return
	}
	r.Unlock()
	pprof.SetGoroutineLabels(context.Background())
	for done := 0; ; {
		r.Lock()
		fs := r.looking[done:]
		if len(fs) == 0 {
			r.looking = nil
			r.Unlock()
			return
		}
		r.Unlock()
		done += len(fs)
		stacks, states := Labelled(), waitStates()
		for _, f := range fs {
			f(stacks, states)
		}
	}
}

// Waits says in a few words what the first goroutine of a stuck step waits for,
// "" if that is not known. The lock is held.
func (s *Step) Waits() string {
	if s.seen == nil {
		return ""
	}
	return s.seen.waits
}

// Stack has the stacks of the goroutines of a step that did not obey, if they have
// been taken. The lock is held.
func (s *Step) Stack() string {
	if s.seen == nil {
		return ""
	}
	return s.seen.stack
}

func render(stacks []Stack, label string, states map[string]string) (text, waits string) {
	var b strings.Builder
	n := 0
	for _, st := range stacks {
		if st.Label != label {
			continue
		}
		if n++; n > maxStacks {
			b.WriteString("...\n")
			break
		}
		state := states[key(st.frames)]
		if waits == "" {
			waits = strings.TrimSpace(state + " in " + place(st.frames))
		}
		st.write(&b, state)
	}
	return strings.TrimSuffix(b.String(), "\n"), waits
}

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
	entry := ""
	for _, f := range st.frames {
		if !strings.HasPrefix(f.function, "runtime.") {
			entry = f.function
		}
	}
	for _, p := range [...]string{ourPrefix, module + "group.", module + "shutdown."} {
		if strings.HasPrefix(entry, p) {
			return true
		}
	}
	return entry == ""
}

// place is the first frame outside the standard library, which is where a reader
// wants to look, else the first.
func place(frames []frame) string {
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

// waitStates maps stacks to what their goroutines wait for, as a traceback says
// it: "sync.Mutex.Lock", "chan receive". A traceback has no labels; what joins
// the two is the stack itself.
func waitStates() map[string]string {
	n := runtime.NumGoroutine()
	if n > maxForStates || cannotPreempt() {
		return nil
	}
	buf := make([]byte, (n+64)*dumpPerGoroutine)
	buf = buf[:runtime.Stack(buf, true)]
	states := make(map[string]string)
	for block := range strings.SplitSeq(string(buf), "\n\n") {
		head, rest, _ := strings.Cut(block, "\n")
		_, state, _ := strings.Cut(head, "[")
		state, _, _ = strings.Cut(state, "]")
		state, _, _ = strings.Cut(state, ",") // ", 2 minutes"
		states[key(parseTraceback(rest))] = strings.TrimSpace(state)
	}
	return states
}

func parseTraceback(text string) (frames []frame) {
	function := ""
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "created by "):
			return frames
		case strings.HasPrefix(line, "\t"):
			position, _, _ := strings.Cut(strings.TrimSpace(line), " +0x")
			frames = append(frames, frame{function, position})
		default:
			function = line
		}
	}
	return frames
}

// Self returns the label of the step whose goroutine calls it, "" if that cannot
// be told. The runtime shows a goroutine's label to nobody but the profiler: the
// stack with this very call in it is the caller's. It costs a goroutine profile,
// and is for the rare caller that has to know which step it is in and has no
// context to tell.
func Self() string {
	selfLock.Lock()
	defer selfLock.Unlock()
	return self()
}

var selfLock sync.Mutex

//go:noinline
func self() string {
	for _, st := range Labelled() {
		if st.Has(func(function string) bool { return function == selfName }) {
			return st.Label
		}
	}
	return ""
}

const selfName = ourPrefix + "self"

// number is the part of the step's label that tells it from others.
func (s *Step) number() string {
	st := Stack{}
	st.read(s.Label())
	return st.Number
}

// Encloses reports whether a goroutine with this label belongs to s, or to a step
// within it.
func (s *Step) Encloses(label string) bool {
	st := Stack{}
	return st.read(label) && st.Run == s.run.id && strings.HasPrefix(st.Number+".", s.number()+".")
}

// Calls reports whether the caller is s, or within it: it has a context of the step's, or
// runs on its goroutine.
func (s *Step) Calls(ctx context.Context) bool {
	for in := From(ctx); in != nil; in = in.outer {
		if in == s {
			return true
		}
	}
	if !Inside() {
		return false
	}
	// Where the caller's label is hidden by one of its own making, the safe answer is the
	// one that cannot wait for itself.
	self := Self()
	return self == "" || s.Encloses(self)
}

// Label is the value of the step's label.
func (s *Step) Label() string {
	label, _ := pprof.Label(s.values, labelKey)
	return label
}
