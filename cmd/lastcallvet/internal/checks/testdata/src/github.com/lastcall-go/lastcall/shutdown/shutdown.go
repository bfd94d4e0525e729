package shutdown

import "context"

type Coordinator struct{ n int }

type Registration struct{ n int }

type Option interface{ apply() }

func Register(h func(context.Context) error, opts ...Option) *Registration { return nil }
func Main(main func(context.Context) error) int                            { return 0 }
func Exit(code int)                                                        {}
func Shutdown(ctx context.Context) error                                   { return nil }

func (c *Coordinator) Register(h func(context.Context) error, opts ...Option) *Registration {
	return nil
}
func (c *Coordinator) Main(main func(context.Context) error) int { return 0 }

func (r *Registration) Close(ctx context.Context) error { return nil }
