package group_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/lastcall-go/lastcall/group"
)

// TestGoroutines counts the goroutines of a group with idle tasks.
func TestGoroutines(t *testing.T) {
	const tasks = 100
	const few = 10 // those of Run, of its two actors, and of the runtime
	for _, tt := range []struct {
		name string
		add  func(g *group.Group, idle task)
	}{
		{"one a task", func(g *group.Group, idle task) { g.Go("idle", idle) }},
		{"one a pair", func(g *group.Group, idle task) { g.Add("idle", idle, succeeds) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var g group.Group
				for range tasks {
					tt.add(&g, func(context.Context) error { <-release; return nil })
				}
				before := runtime.NumGoroutine()
				wait := started(context.Background(), &g)
				if got := runtime.NumGoroutine() - before; got > tasks+few {
					t.Errorf("%d tasks have %d goroutines, want at most %d", tasks, got, tasks+few)
				}
				close(release)
				checkFailures(t, wait())
			})
		})
	}
}
