package bad

import (
	"context"

	"example.com/norun/helper"
	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"github.com/thejerf/suture/v4"
	"go.uber.org/fx"
)

func value(task func() error) {
	var g run.Group
	g.Add(task, func(error) {}) // want `norun: nothing runs this group: the functions that run.Group.Add gets never begin`
}

func pointer(task func() error) {
	g := &run.Group{}
	g.Add(task, func(error) {}) // want `norun: nothing runs this group`
}

func allocated(task func() error) {
	g := new(run.Group)
	g.Add(task, func(error) {}) // want `norun: nothing runs this group`
	println("ended")
}

func inLoop(tasks []func() error) {
	var g run.Group
	for _, t := range tasks {
		g.Add(t, func(error) {}) // want `norun: nothing runs this group`
	}
}

func inLiteral(task func() error) {
	var g run.Group
	add := func() {
		g.Add(task, func(error) {}) // want `norun: nothing runs this group`
	}
	add()
}

func ofLastcall(task func(context.Context) error) {
	var g group.Group
	g.Go("worker", task) // want `norun: nothing runs this group: the functions that group.Group.Go gets never begin`
}

func added(execute, interrupt func(context.Context) error) {
	var g group.Group
	g.Add("worker", execute, interrupt) // want `norun: nothing runs this group`
}

func coordinator(h func(context.Context) error) {
	var c shutdown.Coordinator
	c.Register(h) // want `norun: nothing runs this group: the functions that shutdown.Coordinator.Register gets`
}

func supervisor(s suture.Service) {
	sup := suture.NewSimple("all")
	sup.Add(s) // want `norun: nothing runs this group: the functions that suture.Supervisor.Add`
}

var command = &cobra.Command{Run: func(cmd *cobra.Command, args []string) {
	var g run.Group
	g.Add(func() error { return nil }, func(error) {}) // want `norun: nothing runs this group`
}}

func hook(lc fx.Lifecycle, task func() error) {
	lc.Append(fx.Hook{OnStart: func(context.Context) error {
		var g run.Group
		g.Add(task, func(error) {}) // want `norun: nothing runs this group`
		return nil
	}})
}

func methodValue(execute func() error) {
	var g run.Group
	g.Add(run.SignalHandler(context.Background(), nil)) // want `norun: nothing runs this group`
}

func ofHelper(task func() error) {
	g := helper.NewGroup(task) // want `norun: helper.NewGroup returns a run.Group that has tasks, and nothing runs it`
	println(g != nil)
}
