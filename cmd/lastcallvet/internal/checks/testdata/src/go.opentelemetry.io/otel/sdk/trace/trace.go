package trace

import "context"

type TracerProvider struct{ n int }

func NewTracerProvider() *TracerProvider                       { return new(TracerProvider) }
func (p *TracerProvider) Shutdown(ctx context.Context) error   { return nil }
func (p *TracerProvider) ForceFlush(ctx context.Context) error { return nil }
