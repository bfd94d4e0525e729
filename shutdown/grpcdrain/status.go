package grpcdrain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// most is how many methods and peers a message names.
const most = 4

// A snapshot has the RPCs and connections at a moment.
type snapshot struct {
	at    time.Time
	quiet time.Duration // since the last RPC, or since the server was told to stop
	rpcs  []*rpc
	conns []*conn
}

func (s *server) snapshot() snapshot {
	now, since := time.Now(), s.toldAt
	if s.lastEnd.After(since) {
		since = s.lastEnd
	}
	return snapshot{
		at: now, quiet: now.Sub(since),
		rpcs: slices.Collect(maps.Keys(s.rpcs)), conns: slices.Collect(maps.Keys(s.conns)),
	}
}

// cutOff returns what closing all connections cuts off.
func (s *server) cutOff() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.snapshot()
	s.cut, s.cutRPCs = true, len(left.rpcs)
	if s.cutRPCs == 0 {
		s.cutConns = len(left.conns)
	}
	return left
}

// status is the status of the step: what it waits for, and what it has done.
func (s *server) status() string {
	s.mu.Lock()
	left, cutRPCs, cutConns := s.snapshot(), s.cutRPCs+len(s.short), s.cutConns
	finished, shorter := counted(s.finished, "RPC finished", "RPCs finished"), ""
	if s.hurried > 0 {
		finished += fmt.Sprintf(", %d of them hurried", s.hurried)
	}
	if s.isTold && s.window < s.spread {
		shorter = fmt.Sprintf("Spread reduced from %v to %v", s.spread, age(s.window))
	}
	if s.cut {
		left = snapshot{} // the error names them
	}
	s.mu.Unlock()
	return list("; ",
		left.methods("RPC in flight", "RPCs in flight"),
		counted(len(left.conns), "connection open", "connections open"),
		finished,
		counted(cutRPCs, "RPC cut short", "RPCs cut short"),
		counted(cutConns, "connection closed whose client had not left", "connections closed whose clients had not left"),
		shorter,
	)
}

// A drainError is the error of a task whose drain has cut something short.
type drainError struct {
	text  string
	cause error // shutdown.ErrGrace where the deadline has cut it short
}

func (e *drainError) Error() string { return "grpcdrain: " + e.text }
func (e *drainError) Unwrap() error { return e.cause }

// failure is the task's error if its deadline, or closing the connections, has cut something short.
// left has what was there when the connections were closed. ended says whether everything has
// returned since.
func (s *server) failure(left snapshot, ended bool) error {
	s.mu.Lock()
	left.rpcs = append(left.rpcs, s.short...)
	var cause error
	if s.ended == shutdown.ErrGrace {
		cause = s.ended
	}
	s.mu.Unlock()
	var what string
	switch {
	case len(left.rpcs) > 0:
		what = left.methods("RPC cut short", "RPCs cut short") + from(left.rpcPeers())
		if !ended {
			s.mu.Lock()
			running := s.running(left.rpcs)
			s.mu.Unlock()
			what = list("; ", what, counted(running, "handler still running", "handlers still running"))
		}
	case len(left.conns) > 0 && !s.tracked:
		what = counted(len(left.conns), "connection closed", "connections closed") + " at the deadline" + from(left.peers()) +
			"; the RPCs are unknown, since the server was not made by grpcdrain.NewServer"
	case len(left.conns) > 0 && left.quiet > unread:
		what = counted(len(left.conns), "connection closed", "connections closed") +
			" at the deadline whose client has not read its last response" + from(left.peers())
	case !ended:
		what = "the listener, or the handshake of a connection, has not ended"
	default:
		return nil
	}
	return &drainError{what, cause}
}

// running returns how many of the RPCs have not ended.
func (s *server) running(rpcs []*rpc) (n int) {
	for _, r := range rpcs {
		if _, yes := s.rpcs[r]; yes {
			n++
		}
	}
	return n
}

// methods is such as "12 RPCs in flight: 8 /echo.Echo/Stream oldest 4.2s, 4 /echo.Echo/Unary
// oldest 10ms".
func (left snapshot) methods(one, many string) string {
	type method struct {
		name   string
		n      int
		oldest time.Time
	}
	byName := make(map[string]*method)
	for _, r := range left.rpcs {
		m := byName[r.method]
		if m == nil {
			m = &method{name: r.method, oldest: r.began}
			byName[r.method] = m
		}
		m.n++
		if r.began.Before(m.oldest) {
			m.oldest = r.began
		}
	}
	sorted := slices.SortedFunc(maps.Values(byName), func(a, b *method) int {
		return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name))
	})
	var named []string
	others, n := 0, 0
	for i, m := range sorted {
		if i < most {
			named = append(named, fmt.Sprintf("%d %s oldest %v", m.n, m.name, age(left.at.Sub(m.oldest))))
		} else {
			others, n = others+1, n+m.n
		}
	}
	if others > 0 {
		named = append(named, fmt.Sprintf("%d of %s", n, counted(others, "other method", "other methods")))
	}
	total := counted(len(left.rpcs), one, many)
	if total == "" {
		return ""
	}
	return total + ": " + strings.Join(named, ", ")
}

// age rounds d for people.
func age(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// peersLimit is how long peers waits. It is short of what the drain leaves to the end of its step.
const peersLimit = 10 * time.Millisecond

// peers returns the addresses of the connections' clients. RemoteAddr of a connection of the user's
// type may block. Then peers returns nothing.
func (left snapshot) peers() []string {
	found := make(chan []string, 1)
	go func() {
		var peers []string
		for _, c := range left.conns {
			peers = append(peers, c.RemoteAddr().String())
		}
		found <- peers
	}()
	select {
	case peers := <-found:
		return peers
	case <-time.After(peersLimit):
		return nil
	}
}

func (left snapshot) rpcPeers() (peers []string) {
	for _, r := range left.rpcs {
		if r.peer != nil {
			peers = append(peers, r.peer.String())
		}
	}
	return peers
}

// from is such as "; from 10.0.0.7:41234 (8), 10.0.0.9:51233 (4)".
func from(peers []string) string {
	byName := make(map[string]int)
	for _, p := range peers {
		byName[p]++
	}
	sorted := slices.SortedFunc(maps.Keys(byName), func(a, b string) int {
		return cmp.Or(cmp.Compare(byName[b], byName[a]), strings.Compare(a, b))
	})
	if len(sorted) == 0 {
		return ""
	}
	var named []string
	for _, p := range sorted[:min(most, len(sorted))] {
		named = append(named, fmt.Sprintf("%s (%d)", cmp.Or(p, "unnamed"), byName[p]))
	}
	if others := len(sorted) - len(named); others > 0 {
		named = append(named, counted(others, "other peer", "other peers"))
	}
	return "; from " + strings.Join(named, ", ")
}

// counted returns "3 things", "1 thing", or "" for 0.
func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// list joins the parts that are not empty.
func list(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), separator)
}
