package stacks

import (
	"slices"
	"strings"
)

// A rank says how much a stack tells of what its step waits for. Only the stacks of the
// lowest rank count.
type rank int8

const (
	inUser    rank = iota // it waits in the user's code, or in what that calls
	elsewhere             // in another module, of which this may be the background; or in this library, for others
	noCulprit             // it has only code of the distribution and of this library
)

// A waiting is a stack with what is known of its wait.
type waiting struct {
	Stack
	state string
	rank  rank
	order int    // among those of a rank
	place string // "sync.(*Mutex).Lock < store.(*Store).Close (store/store.go:41)"
}

// waiting finds out where the goroutines of st wait: the function that was called there, the
// function of another module that has called it, if any, and the line of the user's.
func (s sources) waiting(st Stack, state string) waiting {
	w := waiting{Stack: st, state: state, order: 1}
	frames := st.stepFrames()
	// The innermost frames that are not of the distribution, not of this library either, and
	// not of another module.
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
		w.order = 0 // it waits neither to be told to stop nor for its children
	}
	w.order *= 2
	if len(frames) == len(st.frames) {
		w.order++ // it is not the goroutine that has called the step's function
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

// first is the index of the innermost frame of which the author is a, or one after it.
func (s sources) first(frames []frame, a author) int {
	if i := slices.IndexFunc(frames, func(f frame) bool { return s.author(f) >= a }); i >= 0 {
		return i
	}
	return len(frames)
}

// last is the outermost frame of a.
func (s sources) last(frames []frame, a author) (last frame) {
	for _, f := range frames {
		if s.author(f) == a {
			last = f
		}
	}
	return last
}

// called is the function of the distribution, or of C, that these frames are in, "" if there
// is none worth a name. The innermost one says best what it is that is waited for, unless it
// is a detail of the runtime or of a system call.
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
			// The runtime implements it for that package: sync.runtime_notifyListWait.
		default:
			return trimCompilerSuffix(f.name(), ".func")
		}
	}
	return syscall
}
