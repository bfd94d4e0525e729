package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// board shows the state of the service. It depends on nothing that ends
// before the admin listener does: the number of orders is a copy, because the
// database is closed while people still look.
type board struct {
	coordinator *shutdown.Coordinator
	stop        <-chan struct{} // main's context has ended: the delay is over
	serving     atomic.Bool
	inFlight    atomic.Int64
	orders      atomic.Int64
}

type phase string

const (
	starting phase = "starting"
	ready    phase = "ready"
	delaying phase = "delay"    // not ready any more, but everything is still served
	draining phase = "draining" // what is in flight is finished, nothing new is taken
)

// state is what GET /state answers with. Cause, grace period and time left
// are there from the request to stop on.
type state struct {
	Phase    phase  `json:"phase"`
	InFlight int64  `json:"in_flight"`
	Orders   int64  `json:"orders"`
	Cause    string `json:"cause,omitempty"`
	GraceMS  int64  `json:"grace_ms,omitempty"`
	LeftMS   *int64 `json:"left_ms,omitempty"`
}

func (b *board) countOrders(ctx context.Context, s *store) error {
	n, err := s.count(ctx)
	b.orders.Store(n)
	return err
}

// isReady is more than the Coordinator's Ready, which knows nothing of our
// start: a load balancer should not come before the listener is there.
func (b *board) isReady() bool { return b.serving.Load() && b.coordinator.Ready() }

func (b *board) state(now time.Time) state {
	s := state{Phase: b.phase(), InFlight: b.inFlight.Load(), Orders: b.orders.Load()}
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
	case !b.serving.Load():
		return starting
	case b.coordinator.Ready():
		return ready
	default:
		return delaying
	}
}

func (s *state) stopping(r *shutdown.Report, now time.Time) {
	if r.Cause != nil { // else the stop is only announced
		s.Cause = r.Cause.Error()
	}
	s.GraceMS = r.Grace.Milliseconds()
	left := max(0, r.Began.Add(r.Grace).Sub(now).Milliseconds())
	s.LeftMS = &left
}

// counted counts the requests that h is serving.
func (b *board) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.inFlight.Add(1)
		defer b.inFlight.Add(-1)
		h.ServeHTTP(w, r)
	})
}

// ServeHTTP answers with the state as JSON. Any page may read it, because the
// one we serve asks the admin listener, which is another origin.
func (b *board) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, b.state(time.Now()))
}

// writeJSON ignores a failure to write: it means that the client has gone.
func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
