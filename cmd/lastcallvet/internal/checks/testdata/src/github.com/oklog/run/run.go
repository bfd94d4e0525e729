package run

import (
	"context"
	"os"
)

type Group struct{ n int }

func (g *Group) Add(execute func() error, interrupt func(error)) { g.n++ }
func (g *Group) Run() error                                      { return nil }

func SignalHandler(ctx context.Context, signals ...os.Signal) (execute func() error, interrupt func(error)) {
	return nil, nil
}
