package main

import (
	"context"
	"errors"
	"log"
	"os"
	"runtime"
	"sync"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A way is a way in which the program can end. Its status and whether the handlers run are tested, and
// are in the table in README.md.
type way struct {
	name   string
	what   string // what the program does
	status int    // the exit status, as a shell reports it
	runs   bool   // whether the handlers run
	end    func(context.Context) error
}

// wait is the way in which the program waits for a signal.
const wait = "wait"

// ways has first the ways that run the handlers, then the others.
var ways = []way{
	{wait, "counts until Ctrl-C or SIGTERM", 0, true, nil},
	{"return", "main returns nil", 0, true, func(context.Context) error { return nil }},
	{"error", "main returns an error", 1, true, func(context.Context) error { return errEnd }},
	{"exit-error", "main returns an ExitError with code 3", 3, true, exitError},
	{"panic", "main panics", 2, true, func(context.Context) error { panic(errEnd) }},
	{"goexit", "main calls runtime.Goexit", 1, true, func(context.Context) error { runtime.Goexit(); return nil }},
	{"exit", "main calls shutdown.Exit(4)", 4, true, func(context.Context) error { shutdown.Exit(4); return nil }},
	{"stop", "a goroutine calls shutdown.Stop", 0, true, stop},
	{"task", "a task of a group panics", 1, true, task},

	{"os.Exit", "main calls os.Exit(5)", 5, false, func(context.Context) error { os.Exit(5); return nil }},
	{"log.Fatal", "main calls log.Fatal", 1, false, func(context.Context) error { log.Fatal(errEnd); return nil }},
	{"goroutine", "a goroutine that nobody owns panics", 2, false, goroutine},
	{"fatal", "a fatal error of the runtime", 2, false, fatal},
	{"kill", "SIGKILL", 137, false, kill},
}

func wayNames() (names []string) {
	for _, w := range ways {
		names = append(names, w.name)
	}
	return names
}

var errEnd = errors.New("it ends, as it was told to")

func exitError(context.Context) error { return &shutdown.ExitError{Code: 3, Err: errEnd} }

func stop(ctx context.Context) error {
	go shutdown.Stop(nil)
	<-ctx.Done()
	return ctx.Err()
}

func task(ctx context.Context) error {
	var g group.Group
	g.Go("odd", func(context.Context) error { panic(errEnd) })
	return g.Run(ctx)
}

func goroutine(ctx context.Context) error {
	go func() { panic(errEnd) }()
	<-ctx.Done()
	return ctx.Err()
}

// fatal makes a fatal error of the runtime, which cannot be recovered from. Concurrent writes to a map
// would cause one too, but not each time.
func fatal(context.Context) error {
	new(sync.Mutex).Unlock()
	return nil
}

func kill(ctx context.Context) error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	<-ctx.Done() // the stop takes a moment
	return ctx.Err()
}
