package grpcdrain

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/shutdown"
)

// readyPause is how often the task asks whether the program is ready, while it is not: no channel
// tells it.
const readyPause = 100 * time.Millisecond

// A readiness sets the statuses of a health server. A nil readiness does nothing.
type readiness struct {
	*health.Server
	services []string // registered with the grpc server, and ""

	mu     sync.Mutex
	over   bool                                                  // the server was told to stop
	before map[string]healthpb.HealthCheckResponse_ServingStatus // while a stop is announced: statuses other than SERVING
}

// newReadiness sets the statuses of a server that listens.
func newReadiness(s *server) *readiness {
	if s.health == nil {
		return nil
	}
	r := &readiness{Server: s.health}
	r.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	for name := range s.srv.GetServiceInfo() {
		r.services = append(r.services, name)
		if _, set := r.status(name); !set {
			r.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
		}
	}
	return r
}

func (r *readiness) status(service string) (status healthpb.HealthCheckResponse_ServingStatus, set bool) {
	res, err := r.Check(context.Background(), &healthpb.HealthCheckRequest{Service: service})
	return res.GetStatus(), err == nil
}

// announce sets all statuses to NOT_SERVING. If over is set, they stay so.
func (r *readiness) announce(over bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.before == nil {
		r.before = make(map[string]healthpb.HealthCheckResponse_ServingStatus)
		for name, status := range r.all() {
			if status != healthpb.HealthCheckResponse_SERVING {
				r.before[name] = status
			}
		}
	}
	r.over = r.over || over
	r.Shutdown()
}

// all returns all statuses. The health server lists at most 100; if it has more, only those of
// registered services are known.
func (r *readiness) all() map[string]healthpb.HealthCheckResponse_ServingStatus {
	names := slices.Clone(r.services)
	if res, err := r.List(context.Background(), nil); err == nil {
		for name := range res.GetStatuses() {
			names = append(names, name)
		}
	}
	statuses := make(map[string]healthpb.HealthCheckResponse_ServingStatus)
	for _, name := range names {
		if status, set := r.status(name); set {
			statuses[name] = status
		}
	}
	return statuses
}

// restore undoes announce.
func (r *readiness) restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.before == nil {
		return
	}
	r.Resume()
	for name, status := range r.before {
		r.SetServingStatus(name, status)
	}
	r.before = nil
}

// check sets all statuses to NOT_SERVING if the program has not started, or a stop is announced. c
// may be a Coordinator that does not run: that of a task without one.
func (r *readiness) check(c *shutdown.Coordinator) {
	if notify.Warming(c) || c.Report() != nil {
		r.announce(false)
	}
}

// follow sets the statuses when Ready of c changes, until over is closed.
func (r *readiness) follow(c *shutdown.Coordinator, over <-chan struct{}) {
	for {
		for !c.Ready() {
			r.check(c)
			select {
			case <-time.After(readyPause):
			case <-over:
				return
			}
		}
		r.restore()
		select {
		case <-c.Stopping():
		case <-over:
			return
		}
	}
}
