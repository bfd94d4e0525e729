//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"strings"
	"testing"
)

// Two brokers with the same store would deliver the same jobs.
func TestStoreIsLocked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := start(t, "-store", r.store)
	if code := w.wait(); code != 1 || !strings.Contains(w.log.String(), "another worker uses it") {
		t.Errorf("exit code %d, want 1 and the reason:\n%s", code, w.log.String())
	}
	if code := r.broker.terminate(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.broker.log.String())
	}
	r.startBroker()
}
