// Package helper has the causes that are in another package than the finding.
package helper

import (
	"context"
	"net/http"
	"os"
	"os/signal"
)

// Context ends at an interrupt.
func Context() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt)
}

// Serve serves.
func Serve(srv *http.Server) error { return srv.ListenAndServe() }
