package stacks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxStacks is the number of stacks of a step that are kept. More would only make the report
// longer.
const maxStacks = 20

// A Snapshot has the stacks of the goroutines of all steps at one moment. Steps that get stuck
// together can share one.
type Snapshot struct {
	sources sources
	stacks  map[string][]Stack // by label
	states  map[string]string  // wait states by the stacks' keys
	all     bool               // whether states has the states of all goroutines
}

// Take takes a snapshot of the process. It takes long if there are very many goroutines.
func Take() Snapshot { return take(maxForStates) }

// TakeBriefly is Take, for a step that may well end by itself. It never stops the world for long: of
// many goroutines it has no wait states.
func TakeBriefly() Snapshot { return take(maxForStatesBriefly) }

func take(most int) Snapshot {
	l := Snapshot{sources: theSources(), stacks: make(map[string][]Stack)}
	for _, st := range Labelled() {
		l.stacks[st.Label] = append(l.stacks[st.Label], st)
	}
	l.states, l.all = waitStates(most)
	return l
}

// state returns what the goroutines of st wait for, "" if that is not known. The states are taken
// shortly after the stacks. A goroutine whose stack has changed in between is running.
func (l Snapshot) state(st Stack) string {
	state, ok := l.states[key(st.frames)]
	if !ok && l.all {
		return "running"
	}
	return state
}

// Of returns the stacks of the step with this label, the most telling ones first, and in a few
// words what the step waits for. Both are "" if no goroutine has the label.
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

// A summary names the places of at least two stacks, because a deadlock has two. It names further
// places until it has summaryWidth columns: it stands early in a line of the log.
const summaryWidth = 80

// summary says where the stacks of the first rank wait, and how many more goroutines have that
// rank.
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
