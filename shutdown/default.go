package shutdown

import (
	"context"

	"github.com/lastcall-go/lastcall/internal/step"
)

// Register adds a handler to Default; see Coordinator.Register.
func Register(h func(context.Context) error, opts ...Option) *Registration {
	Default.setup()
	return Default.stack.register(h, step.CallSite().As(""), opts)
}

// Unregister takes back Default's handlers with this name, and returns how many.
func Unregister(name string) int { return Default.Unregister(name) }

// NewScope makes a scope on Default; see Coordinator.Scope.
func NewScope(name string, opts ...Option) *Scope {
	Default.setup()
	return Default.stack.nest(name, step.CallSite().As(name), opts)
}

// Hold tells Default of work in flight; see Coordinator.Hold.
func Hold(name string) (release func(), ok bool) {
	return Default.holdFor(name, step.CallSite().As(name))
}

// Main runs main on Default and returns the exit code; see Coordinator.Main.
func Main(main func(context.Context) error) int {
	return Default.mainFor(main, step.CallSite().As("main"))
}

// Stop asks Default's program to stop; see Coordinator.Stop.
func Stop(cause error) { Default.Stop(cause) }

// Shutdown asks Default's program to stop, and waits; see Coordinator.Shutdown.
func Shutdown(ctx context.Context) error { return Default.Shutdown(ctx) }

// Exit drains Default's program and ends the process; see Coordinator.Exit.
func Exit(code int) { Default.exitFor(code, callerOfExit()) }
