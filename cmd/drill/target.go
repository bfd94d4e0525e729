package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// A target is an address that clients send requests to: an instance, or the proxy in front
// of several.
type target struct {
	wire
	index int
	addr  string // host:port
	host  string
	tls   bool
	first *prototype // of HTTP/1.1; nil: there are no such clients

	// gone reports whether the process behind the target has ended, or is ending.
	gone func() bool
	// leaving is set just before the signal of a drill without another server: clients that are
	// told to leave do not come back.
	leaving atomic.Bool
	// down is set where a load balancer would take the target out.
	down atomic.Bool
	// turnedAway counts refused connections that are no loss: the request had not been sent, and
	// the client could use the other server or should have left.
	turnedAway atomic.Int64
}

// newTarget takes a wire that is expanded.
func newTarget(index int, w wire) (*target, error) {
	u, err := url.Parse(w.address())
	if err != nil {
		return nil, err
	}
	t := &target{wire: w, index: index, addr: hostPort(w.address()), host: u.Hostname(), tls: u.Scheme == "https" || u.Scheme == "wss", gone: func() bool { return false }}
	if w.url == "" {
		return t, nil
	}
	if _, err := http.NewRequest(w.method, w.url, nil); err != nil {
		return nil, fmt.Errorf("-method %q: %w", w.method, err)
	}
	t.first, err = newPrototype(t.request(context.Background(), idPlaceholder))
	return t, err
}

// fall is the number of successive checks that must fail before a load balancer takes a server out. A
// single failure may be an accident. haproxy and Kubernetes have 3 by default.
const fall = 2

// watch polls readiness and keeps down up to date.
func (t *target) watch(ctx context.Context, i *instance, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if i.isReady(ctx) {
			failed = 0
			t.down.Store(false)
		} else if failed++; failed >= fall {
			t.down.Store(true)
		}
	}
}
