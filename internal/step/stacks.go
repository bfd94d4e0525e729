package step

import (
	"context"
	"runtime/pprof"
	"strings"
)

// How much of a step's stacks is kept: a thousand children in twenty different
// places tell no more than the first of them.
const maxStacks = 20

// takeStacks gives s the stacks of the goroutines that carry its label. It can
// take long where there are very many goroutines.
func (s *Step) takeStacks() {
	s.Run().lookup(func(stacks map[string][]Stack, states map[string]string) {
		text, waits := render(stacks[s.Label()], states)
		s.Run().Lock()
		defer s.Run().Unlock()
		s.stack, s.waits = text, waits
	})
}

// lookup calls f with the stacks of the process by label. Steps that get stuck
// together share one look.
func (r *Run) lookup(f func(map[string][]Stack, map[string]string)) {
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
		stacks, states := byLabel(Labelled()), waitStates()
		for _, f := range fs {
			f(stacks, states)
		}
	}
}

func byLabel(stacks []Stack) map[string][]Stack {
	m := make(map[string][]Stack)
	for _, st := range stacks {
		m[st.Label] = append(m[st.Label], st)
	}
	return m
}

// Looked reports whether the stacks of the step are being taken, or have been. The lock is
// held.
func (s *Step) Looked() bool { return s.dumped }

// Waits says in a few words what the first goroutine of a stuck step waits for,
// "" if that is not known. The lock is held.
func (s *Step) Waits() string { return s.waits }

// Stack has the stacks of the goroutines of a step that did not obey, if they have
// been taken. The lock is held.
func (s *Step) Stack() string { return s.stack }

func render(stacks []Stack, states map[string]string) (text, waits string) {
	var b strings.Builder
	for n, st := range stacks {
		if n == maxStacks {
			b.WriteString("...\n")
			break
		}
		state := states[key(st.frames)]
		if waits == "" {
			waits = strings.TrimSpace(state + " in " + spot(st.frames))
		}
		st.write(&b, state)
	}
	return strings.TrimSuffix(b.String(), "\n"), waits
}
