package suture

import "context"

type Service interface {
	Serve(ctx context.Context) error
}

type Supervisor struct{ n int }

func NewSimple(name string) *Supervisor               { return new(Supervisor) }
func (s *Supervisor) Add(service Service) int         { return 0 }
func (s *Supervisor) Serve(ctx context.Context) error { return nil }
