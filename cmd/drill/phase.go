package main

// A phase is a part of the stop of one server, in the order of time.
type phase uint8

const (
	beforeSignal phase = iota // also a server that was started again
	delay                     // from the signal until the listener closes
	closes                    // the listener closes
	lingering                 // connections are still served
	afterClose                // nothing is answered any more, or nobody listens
	atExit                    // the process ends

	// With -while the drill does not see the servers, only the command.
	beforeCommand
	duringCommand
	afterCommand
	phases
)

func (p phase) String() string {
	return [phases]string{
		"before the signal", "delay", "listener closing", "connections lingering", "after close", "at the exit",
		"before the command", "during the command", "after the command",
	}[p]
}

// phasesOf are the phases that a mode can tell apart.
func phasesOf(m mode) []phase {
	if m == during {
		return []phase{beforeCommand, duringCommand, afterCommand}
	}
	return []phase{beforeSignal, delay, closes, lingering, afterClose, atExit}
}

// phase returns the phase in which a request was lost. It follows from the order of what the clients
// have seen, not from how long anything took: a busy machine delays both.
func (st *Stop) phase(q *request) phase {
	end := millis(q.end)
	switch {
	case end < st.Signal, st.Again != nil && millis(q.start) >= *st.Again:
		return beforeSignal
	case q.kind != refused && q.gone && millis(q.start) <= st.Exit:
		return atExit
	// A connection after which no other was served came when the listener closed, even if the client
	// noticed that later.
	case q.dial != nil && millis(q.dial.to) > st.served && millis(q.dial.from) <= st.shut() && millis(q.dial.to) >= st.Signal:
		return closes
	// Connections that are open do not notice that the listener closes.
	case end < st.accepted:
		return delay
	case end < st.quiet():
		return lingering
	default:
		return afterClose
	}
}

// shut is the time from which the listener was certainly closed.
func (st *Stop) shut() millis {
	if st.Closed != nil {
		return *st.Closed
	}
	return st.Exit
}

// quiet is the time of the last answer. Behind a proxy nobody knows it: there it is the exit.
func (st *Stop) quiet() millis {
	switch {
	case !st.known:
		return st.Exit
	case st.LastAnswer != nil:
		return *st.LastAnswer
	}
	return st.Signal // nothing was answered after it
}

// assign gives every loss its phase. A loss belongs to the stop of its own server or, behind a proxy,
// to the last stop that had begun.
func (r *Result) assign() {
	for _, q := range r.lost {
		if len(r.Stops) == 0 {
			return
		}
		of := int(q.target)
		if r.Mode == haproxy {
			for of = len(r.Stops) - 1; of > 0 && millis(q.end) < r.Stops[of].Signal; of-- {
			}
		}
		st := &r.Stops[of]
		switch {
		case r.Mode != during:
			q.phase = st.phase(q)
		case millis(q.end) < st.Signal:
			q.phase = beforeCommand
		case millis(q.end) <= st.Exit:
			q.phase = duringCommand
		default:
			q.phase = afterCommand
		}
	}
}
