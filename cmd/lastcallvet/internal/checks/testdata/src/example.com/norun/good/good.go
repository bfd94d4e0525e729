package good

import (
	"context"

	"example.com/norun/helper"
	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"github.com/thejerf/suture/v4"
	"golang.org/x/sync/errgroup"
)

func ran(task func() error) error {
	var g run.Group
	g.Add(task, func(error) {})
	return g.Run()
}

func deferred(task func() error) {
	var g run.Group
	defer g.Run()
	g.Add(task, func(error) {})
}

func goroutine(task func() error) {
	var g run.Group
	g.Add(task, func(error) {})
	go func() { _ = g.Run() }()
}

func methodValue(task func(context.Context) error) func(context.Context) error {
	var g group.Group
	g.Go("worker", task)
	return g.Run
}

func nested(ctx context.Context, task func(context.Context) error) error {
	var outer, inner group.Group
	inner.Go("worker", task)
	outer.Go("inner", inner.Run)
	return outer.Run(ctx)
}

func returned(task func() error) *run.Group {
	g := &run.Group{}
	g.Add(task, func(error) {})
	return g
}

func handedOn(task func() error) error {
	var g run.Group
	g.Add(task, func(error) {})
	return helper.Run(&g)
}

func passed(start func(*run.Group)) {
	var g run.Group
	g.Add(func() error { return nil }, func(error) {})
	start(&g)
}

type app struct{ g run.Group }

func (a *app) add(task func() error) { a.g.Add(task, func(error) {}) }

func kept(task func() error) *app {
	a := &app{}
	a.g.Add(task, func(error) {})
	return a
}

func added(g *run.Group, task func() error) { g.Add(task, func(error) {}) }

func empty() { var g run.Group; println(&g != nil) }

func main0(h func(context.Context) error) int {
	var c shutdown.Coordinator
	c.Register(h)
	return c.Main(func(context.Context) error { return nil })
}

func supervisor(ctx context.Context, s suture.Service) error {
	sup := suture.NewSimple("all")
	sup.Add(s)
	return sup.Serve(ctx)
}

func ofHelper(task func() error) error { return helper.NewGroup(task).Run() }

// The tasks of an errgroup run at once.
func errors(task func() error) {
	var g errgroup.Group
	g.Go(task)
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	var g run.Group
	g.Add(func() error { return nil }, func(error) {})
	return g.Run()
}}
