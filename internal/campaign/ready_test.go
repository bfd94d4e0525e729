package campaign

import (
	"slices"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file says when a program is Ready.

// countsForReady reports whether the program is not Ready while sn starts.
func (m *model) countsForReady(sn *seen) bool {
	return sn.Warm != 0 && sn.calls > 0 && (sn.kind == shutdown.KindMain || sn.task != nil)
}

// readyAt returns what Ready should be. It is not known at an instant at which it changes.
func (m *model) readyAt(at time.Duration) (ready, known bool) {
	main := m.main()
	if main == nil || at <= main.begin || at == m.began || m.quietAt(at) {
		return false, false
	}
	ready = at < m.began && !m.quiet(at)
	for _, sn := range m.seen {
		if !m.countsForReady(sn) || at < sn.begin {
			continue
		}
		end := m.startedAt(sn)
		if sn.over {
			end = min(end, sn.end)
		}
		if e, ok := m.ends[ifelse(sn.kind == shutdown.KindMain, "main", sn.Name)]; ok { // it was abandoned
			end = min(end, e.at)
		}
		if at == sn.begin || at == end {
			return false, false
		}
		ready = ready && at > end
	}
	return ready, true
}

// announcedAt reports whether Quiesce was called at that instant. The event may come later.
func (m *model) announcedAt(at time.Duration) bool {
	return slices.ContainsFunc(m.announced, func(a announcing) bool { return a.at == at })
}

// quietAt reports whether an announcement was made, or undone, at that instant.
func (m *model) quietAt(at time.Duration) bool {
	return slices.ContainsFunc(m.events, func(n noted) bool {
		switch n.Event.(type) {
		case shutdown.Quiesced, shutdown.Resumed:
			return n.at == at
		}
		return false
	})
}

// wasReady reports whether the program has been Ready before its stop. It is not known if it may have
// been so for an instant, between two starts.
func (m *model) wasReady() (yes, known bool) {
	if m.p.Main == nil || m.p.Main.Warm == 0 {
		return true, true
	}
	known = true
	for _, sn := range m.seen {
		if !m.countsForReady(sn) {
			continue
		}
		for _, at := range []time.Duration{m.startedAt(sn), ifelse(sn.over, sn.end, never)} {
			if at >= m.began {
				known = known && at > m.began
				continue
			}
			if ready, known := m.readyAt(at + 1); ready && known {
				return true, true
			}
			known = known && slices.ContainsFunc(m.seen, func(o *seen) bool { return m.countsForReady(o) && o.begin < at && m.waitedFor(o) > at })
		}
	}
	return false, known
}
