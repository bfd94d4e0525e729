// Package helper has the causes that are in another package than the finding.
package helper

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"
)

// Stop is bounded by its context alone.
func Stop(ctx context.Context, srv *http.Server) error {
	println("stopping")
	return srv.Shutdown(ctx)
}

// StopSoon has a limit of its own.
func StopSoon(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

// StopContext is for a stop.
func StopContext() context.Context { return context.Background() }

// Graceful leaves it to its caller to set a limit.
func Graceful(s *grpc.Server) { s.GracefulStop() }

// Server is an http.Server that is stopped by Stop.
type Server struct{ HTTP *http.Server }

func (s *Server) Stop(ctx context.Context) error { return s.HTTP.Shutdown(ctx) }
