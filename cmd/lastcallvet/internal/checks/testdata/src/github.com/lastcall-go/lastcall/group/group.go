package group

import "context"

type Group struct{ n int }

type Task struct{ n int }

type Option interface{ apply() }

func (g *Group) Go(name string, task func(ctx context.Context) error, opts ...Option) *Task {
	return nil
}
func (g *Group) Add(name string, execute, interrupt func(ctx context.Context) error, opts ...Option) *Task {
	return nil
}
func (g *Group) Run(ctx context.Context) error { return nil }

func WorkContext(ctx context.Context) context.Context { return ctx }
