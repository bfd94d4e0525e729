//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"strings"
	"testing"
)

// Two brokers with one store would hand out the same jobs.
func TestAStoreIsOneBrokers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := start(t, "-store", r.store)
	if code := w.wait(); code != 1 || !strings.Contains(w.log.String(), "another worker is using it") {
		t.Errorf("exit code %d, want 1 and why:\n%s", code, w.log.String())
	}
	if code := r.broker.terminate(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.broker.log.String())
	}
	r.startBroker()
}
