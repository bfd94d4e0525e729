package stacks

import (
	"slices"
	"strings"
)

// A rank says how well a stack shows what its step waits for. Only the stacks of the lowest rank
// count.
type rank int8

const (
	inUser    rank = iota // it waits in the user's code, or in a function that this calls
	elsewhere             // it waits in another module, perhaps in a background goroutine, or in this library for other steps
	noCulprit             // it has only code of the distribution and of this library
)

// A waiting is a stack and where it waits.
type waiting struct {
	Stack
	state string
	rank  rank
	order int    // the position among the stacks of a rank
	place string // "sync.(*Mutex).Lock < store.(*Store).Close (store/store.go:41)"
}

// waiting finds out where the goroutines of st wait: the function of the distribution, the
// function of another module that has called it, if there is one, and the line of the user's code.
func (s sources) waiting(st Stack, state string) waiting {
	w := waiting{Stack: st, state: state, order: 1}
	frames := st.stepFrames()
	// The indexes of the innermost frame outside of the distribution, outside of this library as
	// well, and outside of other modules as well.
	ours, others, users := s.first(frames, library), s.first(frames, dependency), s.first(frames, user)
	called, at := s.called(frames[:ours]), users
	if users == len(frames) {
		at = others
	}
	switch {
	case others == len(frames):
		w.rank, at = noCulprit, ours
	case ours < others:
		w.rank, w.order, called = elsewhere, 2, s.last(frames[:others], library).name()
	case users == len(frames):
		w.rank = elsewhere
	}
	if isLock(called) {
		w.order = 0 // a lock is more telling than a wait for the request to stop, or for children
	}
	w.order *= 2
	if len(frames) == len(st.frames) {
		w.order++ // the step has started this goroutine; its own comes first
	}
	var names []string
	if called != "" {
		names = append(names, called)
	}
	if others < at {
		names = append(names, s.last(frames[others:at], dependency).name())
	}
	if at < len(frames) {
		names = append(names, frames[at].name()+" ("+frames[at].at()+")")
	}
	w.place = strings.Join(names, " < ")
	if w.place == "" {
		w.place = "the runtime"
	}
	if state != "" && (called == "" || at == len(frames)) {
		w.place = state + " in " + w.place
	}
	return w
}

func isLock(function string) bool {
	return strings.HasPrefix(function, "sync.(*") && strings.HasSuffix(function, "Lock") // Mutex, RWMutex
}

// first returns the index of the innermost frame whose author is a or a later one in the list of
// authors, or len(frames).
func (s sources) first(frames []frame, a author) int {
	if i := slices.IndexFunc(frames, func(f frame) bool { return s.author(f) >= a }); i >= 0 {
		return i
	}
	return len(frames)
}

// last returns the outermost frame of a.
func (s sources) last(frames []frame, a author) (last frame) {
	for _, f := range frames {
		if s.author(f) == a {
			last = f
		}
	}
	return last
}

// called returns the function of the distribution, or of C, that these frames are in, "" if there
// is none to name. It is the innermost one that is no detail of the runtime or of a system call.
func (s sources) called(frames []frame) string {
	syscall := ""
	for i, f := range frames {
		if s.author(f) == nobody {
			if _, name, ok := strings.Cut(f.function, "func_"); ok { // _Cfunc_, _C2func_
				return "C." + name
			}
			continue
		}
		pkg := f.packageOf()
		switch {
		case pkg == "syscall":
			syscall = f.name()
		case pkg == "runtime" || strings.Contains("/"+pkg+"/", "/internal/") || strings.HasPrefix(pkg, "vendor/"):
		case f.directory() == "runtime" && i+1 < len(frames) && frames[i+1].packageOf() == pkg:
			// The runtime implements it for that package, such as sync.runtime_notifyListWait.
		default:
			return trimCompilerSuffix(f.name(), ".func")
		}
	}
	return syscall
}
