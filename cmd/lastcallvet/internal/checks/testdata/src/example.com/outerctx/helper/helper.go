// Package helper has the causes that are in another package than the finding.
package helper

import (
	"context"
	"net/http"
)

// Stopper returns a handler that uses the context that it was made with.
func Stopper(ctx context.Context, srv *http.Server) func(context.Context) error {
	return func(context.Context) error { return srv.Shutdown(ctx) }
}

// OwnStopper returns one that uses its own.
func OwnStopper(ctx context.Context, srv *http.Server) func(context.Context) error {
	println(ctx != nil)
	return func(ctx context.Context) error { return srv.Shutdown(ctx) }
}

// Server keeps a context.
type Server struct {
	ctx  context.Context
	HTTP *http.Server
}

// Stop uses the one that is kept.
func (s *Server) Stop(context.Context) error { return s.HTTP.Shutdown(s.ctx) }

// Close uses its own.
func (s *Server) Close(ctx context.Context) error { return s.HTTP.Shutdown(ctx) }
