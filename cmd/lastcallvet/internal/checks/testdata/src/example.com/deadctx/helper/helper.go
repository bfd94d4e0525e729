// Package helper has the causes that are in another package than the finding.
package helper

import (
	"context"
	"net/http"
	"time"
)

// StopServer gives the server five seconds of what its context leaves.
func StopServer(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

// StopDetached does not mind a context that is done.
func StopDetached(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

// Wait returns when the context is done.
func Wait(ctx context.Context) {
	<-ctx.Done()
	println("stopping")
}

// WaitOr returns when the context is done or the time is over.
func WaitOr(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// WithName is a context that ends with its parent.
func WithName(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, key{}, name)
}

// Detach is one that does not.
func Detach(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

type key struct{}

// Server only logs with its context.
type Server struct{ name string }

func (s *Server) Shutdown(ctx context.Context) error {
	println(ctx.Value(key{}) != nil, s.name)
	return nil
}
