package fx

import "context"

type Hook struct {
	OnStart func(context.Context) error
	OnStop  func(context.Context) error
}

type Lifecycle interface{ Append(Hook) }

func StopHook(stop func(context.Context) error) Hook { return Hook{OnStop: stop} }

type App struct{}

func (a *App) Stop(ctx context.Context) error { return nil }
