package stacks

import (
	"runtime"
	"strings"
)

// Wait states come from a dump for which the world is stopped, the longer the more
// goroutines there are (see bench/RESULTS.md). Beyond this many the report does without.
const maxForStates = 10_000

// dumpPerGoroutine is what a traceback takes of the buffer for it, amply: what does not
// fit is cut off.
const dumpPerGoroutine = 1 << 10

// waitStates maps stacks to what their goroutines wait for, as a traceback says
// it: "sync.Mutex.Lock", "chan receive". A traceback has no labels; what joins
// the two is the stack itself. All reports whether no goroutine is missing.
func waitStates() (states map[string]string, all bool) {
	n := runtime.NumGoroutine()
	if n > maxForStates || cannotPreempt() {
		return nil, false
	}
	buf := make([]byte, (n+64)*dumpPerGoroutine)
	size := runtime.Stack(buf, true)
	states = make(map[string]string)
	for block := range strings.SplitSeq(string(buf[:size]), "\n\n") {
		head, rest, _ := strings.Cut(block, "\n")
		states[key(parseTraceback(rest))] = waitState(head)
	}
	return states, size < len(buf)
}

// maxInKey is how many frames of a stack are compared. After 50 frames, of which some may be the
// runtime's, a traceback leaves some out.
const maxInKey = 40

// key tells stacks apart in both forms of them, which show different frames of the runtime:
// a traceback has "panic(...)" for runtime.gopanic.
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
// GODEBUG=tracebacklabels=1 there are labels in it, which may contain anything.
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
