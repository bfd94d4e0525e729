// Package helper has the causes that are in another package than the finding.
package helper

import (
	"context"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/oklog/run"
)

// NewGroup returns a group with a task.
func NewGroup(task func() error) *run.Group {
	var g run.Group
	g.Add(task, func(error) {})
	return &g
}

// Run runs a group.
func Run(g *run.Group) error { return g.Run() }

// Register registers a handler.
func Register() {
	shutdown.Register(func(context.Context) error { return nil })
}
