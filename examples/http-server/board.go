package main

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// board shows the state of the service. The admin listener serves it until the
// exit, when the database is already closed; so it has its own copy of the
// number of orders.
type board struct {
	coordinator *shutdown.Coordinator
	stop        <-chan struct{} // closed when main's context ends, after the delay
	filled      atomic.Bool     // the database is
	inFlight    atomic.Int64
	orders      atomic.Int64
	monitor     httpdrain.Monitor // of the server, not of the admin listener
}

type phase string

const (
	starting phase = "starting"
	ready    phase = "ready"
	delaying phase = "delay"    // not ready, but still serving
	draining phase = "draining" // requests in flight are finished, new ones refused
)

// state is the response to GET /state. It has the cause, the grace period and
// the time left only after a stop was requested.
type state struct {
	Phase    phase  `json:"phase"`
	InFlight int64  `json:"in_flight"`
	Orders   int64  `json:"orders"`
	Open     int    `json:"open"`   // connections
	Gone     int    `json:"gone"`   // connections closed since the drain began, with -spread
	Untold   int    `json:"untold"` // connections that will be told to leave, with -spread
	Cause    string `json:"cause,omitempty"`
	GraceMS  int64  `json:"grace_ms,omitempty"`
	LeftMS   *int64 `json:"left_ms,omitempty"`
}

func (b *board) state(now time.Time) state {
	m := b.monitor.Stats()
	s := state{
		Phase: b.phase(), InFlight: b.inFlight.Load(), Orders: b.orders.Load(),
		Open: m.New + m.Active + m.Idle + m.Hijacked, Gone: m.Gone, Untold: m.Untold,
	}
	if r := b.coordinator.Report(); r != nil {
		s.stopping(r, now)
	}
	return s
}

func (b *board) phase() phase {
	select {
	case <-b.stop:
		return draining
	default:
	}
	switch {
	case b.coordinator.Ready():
		return ready
	case b.coordinator.Report() == nil: // no stop was requested or announced
		return starting
	default:
		return delaying
	}
}

func (s *state) stopping(r *shutdown.Report, now time.Time) {
	if r.Cause != nil { // nil while a stop is only announced, by Quiesce
		s.Cause = r.Cause.Error()
	}
	s.GraceMS = r.Grace.Milliseconds()
	left := max(0, r.Began.Add(r.Grace).Sub(now).Milliseconds())
	s.LeftMS = &left
}

// counted counts the requests in flight in h.
func (b *board) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.inFlight.Add(1)
		defer b.inFlight.Add(-1)
		h.ServeHTTP(w, r)
	})
}

// ServeHTTP answers with the state as JSON. It allows requests from any origin,
// since the page comes from another port than the admin listener's.
func (b *board) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, b.state(time.Now()))
}

// writeJSON ignores write errors: they mean that the client has gone.
func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
