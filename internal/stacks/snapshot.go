package stacks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxStacks is how many stacks of a step are kept: a thousand children in twenty different
// places tell no more than the first of them.
const maxStacks = 20

// A Look is the goroutines of all steps as they were at one moment. Steps that get stuck
// together can share one.
type Snapshot struct {
	sources sources
	stacks  map[string][]Stack // by label
	states  map[string]string  // wait states by the stacks' keys
	all     bool               // states has those of all goroutines
}

// Take looks at the process. It can take long where there are very many goroutines.
func Take() Snapshot {
	l := Snapshot{sources: theSources(), stacks: make(map[string][]Stack)}
	for _, st := range Labelled() {
		l.stacks[st.Label] = append(l.stacks[st.Label], st)
	}
	l.states, l.all = waitStates()
	return l
}

// state is what the goroutines of st wait for, "" if that is not known. The states are taken
// shortly after the stacks. A goroutine whose stack has changed in between is not waiting: it may
// be in a loop, at another line of it.
func (l Snapshot) state(st Stack) string {
	state, ok := l.states[key(st.frames)]
	if !ok && l.all {
		return "running"
	}
	return state
}

// Of returns the stacks of the step with this label, and in a few words what it waits for.
// Both are "" where nothing was seen of it. The stacks that tell most come first.
func (l Snapshot) Of(label string) (text, waitsFor string) {
	found := make([]waiting, 0, len(l.stacks[label]))
	for _, st := range l.stacks[label] {
		found = append(found, l.sources.waiting(st, l.state(st)))
	}
	slices.SortStableFunc(found, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.order, b.order))
	})
	var b strings.Builder
	more := 0
	for n, w := range found {
		if n < maxStacks {
			w.write(&b, w.state)
		} else {
			more += w.Count
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "... %d more goroutines\n", more)
	}
	return strings.TrimSuffix(b.String(), "\n"), summary(found)
}

// The places of at least two stacks are named, since a deadlock has two, and of more as long
// as what there is has less than this many columns: the words stand early in a line of the log.
const summaryWidth = 80

// inWords says where the stacks of the first rank wait, and how many more goroutines there
// are of it.
func summary(found []waiting) string {
	var places []string
	columns, more := 0, 0
	for _, w := range found {
		if w.rank != found[0].rank {
			break
		}
		if w.rank == noCulprit {
			return w.place
		}
		more += w.Count
		if !slices.Contains(places, w.place) && (len(places) < 2 || columns < summaryWidth) {
			places = append(places, w.place)
			columns += len(w.place)
			more--
		}
	}
	words := strings.Join(places, "; ")
	switch more {
	case 0:
		return words
	case 1:
		return words + ", 1 more goroutine"
	}
	return fmt.Sprintf("%s, %d more goroutines", words, more)
}
