package httpdrain

import (
	"io"
	"net/http"

	"github.com/lastcall-go/lastcall/internal/site"
)

// Readiness returns a handler that responds 200 while c is ready, and 503 otherwise: before the
// program runs, and from the announcement of a stop on, when load balancers should send no more
// requests. Usually c is a *shutdown.Coordinator. Readiness panics if c is nil.
func Readiness(c interface{ Ready() bool }) http.Handler {
	if c == nil {
		panic("httpdrain: Readiness was given nil, at " + site.Caller(2))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !c.Ready() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
}
