package shutdown

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/stacks"
	"github.com/lastcall-go/lastcall/internal/tree"
)

// Default is the current Coordinator unless Main of another Coordinator runs: the functions of this
// package use it. It is for main packages. A library should use FromContext, or a Coordinator that
// its user passes.
var Default = new(Coordinator)

// FromContext returns the Coordinator that ctx belongs to, if ctx descends from the context of a
// step, of a request served by httpdrain, or of an RPC served by grpcdrain. Otherwise it returns the
// current Coordinator.
func FromContext(ctx context.Context) *Coordinator {
	if n := tree.From(ctx); n != nil {
		if h, ok := n.Tree().Host.(host); ok {
			return h.c
		}
	}
	c, _ := current()
	return c
}

// claims has the Coordinators that ask to be the current one. The first of them is current.
var claims struct {
	mu   sync.Mutex
	list []*claim
}

// A claim is made by Main, or by a program under test.
type claim struct {
	c       *Coordinator
	misused func(function string) // called if a step of c calls a function while another claim is current; nil for Main
}

// claimCurrent makes c the current Coordinator until release is called, once the earlier claims are
// released.
func claimCurrent(c *Coordinator, misused func(string)) (release func()) {
	c.setup() // currentFor reads c's tree
	own := &claim{c, misused}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	claims.list = append(claims.list, own)
	return func() {
		claims.mu.Lock()
		defer claims.mu.Unlock()
		claims.list = slices.DeleteFunc(claims.list, func(cl *claim) bool { return cl == own })
	}
}

func current() (c *Coordinator, others []*claim) {
	claims.mu.Lock()
	defer claims.mu.Unlock()
	if len(claims.list) == 0 {
		return Default, nil
	}
	return claims.list[0].c, slices.Clone(claims.list[1:])
}

// currentFor returns the Coordinator that a function of this package acts on. If several programs
// are tested at once, it finds the calling step's program by the profiler label, and calls misused
// if that program is not the current one.
func currentFor(function string) *Coordinator {
	c, others := current()
	if len(others) == 0 {
		return c
	}
	_, _, id, _ := stacks.Split(stacks.Self())
	for _, o := range others {
		if o.c.tree.ID() == id {
			if o.misused != nil {
				o.misused(function)
			}
			return o.c
		}
	}
	return c
}

func init() {
	notify.Claim = func(coordinator any, misused func(function string)) (release func()) {
		return claimCurrent(coordinator.(*Coordinator), misused)
	}
}

// heldByDefault lists the steps registered on Default, if Default was not run, in the form
// `handler "db" (main.go:12)`.
func heldByDefault() (held []string) {
	if !Default.inUse.Load() { // do not set it up: this may be the program of a test, in a bubble
		return nil
	}
	t := Default.lock()
	defer t.Unlock()
	if Default.phase != fresh {
		return nil
	}
	add := func(n *tree.Node) {
		held = append(held, fmt.Sprintf("%v %q (%s)", StepKind(n.Kind), n.Name(), n.Site()))
	}
	Default.stack.node.Each(add)
	Default.body.node.Each(add)
	if Default.cause.err != nil {
		held = append(held, "a call of Stop")
	}
	return held
}

// checkDefaultUnused panics if something is registered on Default. It is called when Main begins on
// another Coordinator, so that nothing of Default would run.
func checkDefaultUnused(at site.Origin) {
	if held := heldByDefault(); len(held) > 0 {
		panic(fmt.Sprintf("shutdown: Main was called on another Coordinator, but these are registered on Default and would never run: %s; "+
			"set the fields of Default and call shutdown.Main, or register on the Coordinator; at %s",
			strings.Join(held, ", "), at.Site()))
	}
}

// Register adds a handler to the current Coordinator; see [Coordinator.Register].
func Register(h func(context.Context) error, opts ...Option) *Registration {
	c := currentFor("Register")
	c.setup()
	return c.stack.register(h, site.Here().As(""), opts)
}

// Start starts a task that outlives main on the current Coordinator; see [Coordinator.Start].
func Start(task func(context.Context) error, opts ...Option) *Registration {
	return currentFor("Start").start(task, site.Here().As(""), opts)
}

// Unregister removes the current Coordinator's handlers with this name; see
// Coordinator.Unregister.
func Unregister(name string) int { return currentFor("Unregister").Unregister(name) }

// NewScope makes a scope on the current Coordinator; see [Coordinator.Scope].
func NewScope(name string, opts ...Option) *Scope {
	c := currentFor("NewScope")
	c.setup()
	return c.stack.nest(site.Here().As(name), opts)
}

// Hold registers work in flight with the current Coordinator; see [Coordinator.Hold].
func Hold(name string) (release func(), ok bool) {
	return currentFor("Hold").holdFor(site.Here().As(name))
}

// Go runs work that may outlive the request that ctx belongs to, as a hold of FromContext(ctx); see
// Coordinator.Go.
func Go(ctx context.Context, name string, work func(context.Context) error) bool {
	return FromContext(ctx).goFor(ctx, site.Here().As(name), work)
}

// Main runs main on Default and returns the exit code; see [Coordinator.Main].
func Main(main func(context.Context) error) int {
	return Default.mainFor(main, site.Here().As("main"))
}

// Ready reports whether the current Coordinator's program should be sent requests; see
// Coordinator.Ready.
func Ready() bool { return currentFor("Ready").Ready() }

// Stop asks the current Coordinator's program to stop; see [Coordinator.Stop].
func Stop(cause error) { currentFor("Stop").Stop(cause) }

// Shutdown asks the current Coordinator's program to stop, and waits; see [Coordinator.Shutdown].
func Shutdown(ctx context.Context) error { return currentFor("Shutdown").Shutdown(ctx) }

// Exit drains the current Coordinator's program and ends the process; see [Coordinator.Exit].
func Exit(code int) { currentFor("Exit").exitFor(code, callerOfExit()) }
