package stacks

import (
	"fmt"
	"runtime"
	"strings"
)

// The number of goroutines up to which the report has wait states, and the lines of a step that is
// waited for. They come from a traceback that stops the world, for longer the more goroutines there are:
// for some 40 ms with 10 000 (see bench/RESULTS.md).
const (
	maxForStates        = 10_000
	maxForStatesBriefly = 1_000
)

// dumpPerGoroutine is the size of the traceback buffer for each goroutine. Most tracebacks need
// less. The runtime cuts off the text that does not fit, and then it is taken again with a larger
// buffer, up to mostPerGoroutine.
const (
	dumpPerGoroutine = 1 << 10
	mostPerGoroutine = 16 << 10
)

// waitStates maps the keys of stacks to what their goroutines wait for, in the words of a
// traceback: "sync.Mutex.Lock", "chan receive". A traceback has no labels, so the stack itself is
// the key. all reports whether no goroutine is missing.
func waitStates(most int) (states map[string]string, all bool) {
	text, all := traceback(most)
	states = make(map[string]string)
	for block := range strings.SplitSeq(text, "\n\n") {
		head, rest, _ := strings.Cut(block, "\n")
		states[key(parseTraceback(rest))] = waitState(head)
	}
	return states, all
}

// Started reports whether a goroutine runs that the calling goroutine has started in the function
// with this name. Like waitStates it stops the world. If there are too many goroutines for that, it
// returns true.
func Started(in string) bool {
	text, all := traceback(maxForStates)
	return !all || strings.Contains(text, fmt.Sprintf("created by %s in goroutine %d\n", in, Goroutine()))
}

// traceback returns the traceback of all goroutines, if there are at most most. all reports whether no
// goroutine is missing.
func traceback(most int) (text string, all bool) {
	n := runtime.NumGoroutine()
	if n > most || cannotPreempt() {
		return "", false
	}
	for each := dumpPerGoroutine; ; each *= 4 {
		buf := make([]byte, (n+64)*each)
		size := runtime.Stack(buf, true)
		if all = size < len(buf); all || each >= mostPerGoroutine {
			return string(buf[:size]), all
		}
	}
}

// maxInKey is the number of frames of a stack that are compared. A traceback of more than 100
// frames omits some after the first 50, and some of those 50 may be the runtime's.
const maxInKey = 40

// key returns a text that identifies a stack, in a profile and in a traceback. It leaves out the
// frames of the runtime, which differ: a traceback has "panic(...)" for runtime.gopanic.
func key(frames []frame) string {
	var b strings.Builder
	n := 0
	for _, f := range frames {
		if strings.HasPrefix(f.function, "runtime.") || strings.HasPrefix(f.function, "internal/runtime/") ||
			strings.HasPrefix(f.function, "panic(") {
			continue
		}
		if n++; n > maxInKey {
			break
		}
		b.WriteString(f.position)
		b.WriteByte('\n')
	}
	return b.String()
}

// waitState reads the first line of a goroutine: "goroutine 7 [select, 2 minutes]:". With
// GODEBUG=tracebacklabels=1 the line has labels, which may contain any character.
func waitState(head string) string {
	_, state, _ := strings.Cut(head, "[")
	state, _, _ = strings.Cut(state, " labels:")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",")
	return state
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
