package step

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync"
)

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

// Owns reports whether a goroutine with this label belongs to a step of r, or to one of a
// run without a host.
func (r *Run) Owns(label string) (ours, free bool) {
	st := Stack{}
	if !st.read(label) {
		return false, false
	}
	return st.Run == r.id, strings.HasPrefix(st.Run, hostless)
}

// Encloses reports whether a goroutine with this label belongs to s, or to a step
// within it.
func (s *Step) Encloses(label string) bool {
	st := Stack{}
	return st.read(label) && st.Run == s.Run().id && strings.HasPrefix(st.Number+".", s.number()+".")
}

// Calls reports whether the caller is s, or within it: it has a context of the step's, or
// runs on its goroutine.
func (s *Step) Calls(ctx context.Context) bool {
	for in := From(ctx); in != nil; in = in.place.outer {
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
	label, _ := pprof.Label(s.place.labels, labelKey)
	return label
}
