package campaign

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file calls Unregister, with the Registration and with the name.

// A taking is a call of Unregister.
type taking struct {
	at     time.Duration
	won    bool
	byName bool
}

// unregisters removes sn. Names are unique in a program.
func (w *world) unregisters(sn *seen, byName bool) {
	k := &taking{at: w.now(), byName: byName}
	if byName {
		n := w.c.Unregister(sn.Name)
		if n < 0 || n > 1 {
			w.problem("Unregister(%q) = %d", sn.Name, n)
		}
		k.won = n == 1
	} else {
		k.won = sn.reg.Unregister()
	}
	w.note(func() {
		sn.won = sn.won || k.won
		sn.takings = append(sn.takings, k)
	})
}

// unregistersOne is the act of an actor: it removes another handler, or itself.
func (w *world) unregistersOne(sn *seen) {
	target := sn
	w.note(func() {
		if sn.reg == nil || sn.Way > 0 {
			target = pick(w.regs, sn.Way+sn.Code)
		}
		if beside := w.beside(sn); len(beside) > 0 && sn.Way > 2 {
			target = pick(beside, sn.Code)
		}
	})
	if target != nil {
		w.unregisters(target, sn.Code%2 == 0)
	}
}

// beside returns the handlers of the scopes inside the scope of sn.
func (w *world) beside(sn *seen) []*seen {
	return slices.DeleteFunc(slices.Clone(w.regs), func(other *seen) bool {
		return sn.home == nil || other.home.parent != sn.home
	})
}

// checkUnregister checks that a handler either runs or is unregistered. Unregister is refused only if
// the handler runs, has run, will not run, or was removed before. checkOnce checks that a removed
// handler never runs.
func (m *model) checkUnregister() {
	for _, sn := range m.seen {
		won := 0
		for _, k := range sn.takings {
			switch {
			case k.won:
				won++
			case sn.kind != shutdown.KindHandler || sn.refused || k.byName && m.released(sn): // the name is not searched in a released scope
			case !m.lost(sn, k):
				m.found("unregister", "%s could not be unregistered at %v (by name: %t); it began at %v, called %d times", sn.Name, k.at, k.byName, sn.begin, sn.calls)
			}
		}
		if won > 1 {
			m.found("unregister", "%s was unregistered %d times", sn.Name, won)
		}
	}
}

// lost reports whether the handler could not be removed any more.
func (m *model) lost(sn *seen, k *taking) bool {
	if sn.calls > 0 {
		return sn.begin <= k.at
	}
	for _, o := range sn.takings {
		if o.won && o.at <= k.at {
			return true
		}
	}
	end, ended := m.ends[sn.Name] // skipped
	return ended && end.at <= k.at
}
