package echo

import "context"

type Echo struct{ n int }

func New() *Echo                                   { return new(Echo) }
func (e *Echo) Start(address string) error         { return nil }
func (e *Echo) Shutdown(ctx context.Context) error { return nil }
