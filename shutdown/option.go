package shutdown

import (
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// An Option is given to Register, Start or Scope.
type Option interface{ apply(*Registration) }

type option func(*Registration)

func (o option) apply(r *Registration) { o(r) }

// Name names a handler in logs and in the report, and for Unregister. Several may
// have the same. Without it, or if it is empty, it is the name of the handler
// function; for a closure, and for what Closer and Func make, the file and line of
// the call that registered it.
func Name(name string) Option {
	return option(func(r *Registration) { r.step.SetName(name) })
}

// Timeout is the most that a handler may take, or all the handlers of a scope
// together. Zero means as much as can be given. It panics if d is negative.
func Timeout(d time.Duration) Option {
	step.MustNotBeNegative("shutdown: Timeout", d)
	return option(func(r *Registration) { r.step.Timeout = d })
}

// Reserve is the least that is kept back for a handler, or for a scope, whatever
// runs before it: for the one that must flush to a slow disk. Without it, each is
// promised a second, or less where there are many. It panics if d is negative.
func Reserve(d time.Duration) Option {
	step.MustNotBeNegative("shutdown: Reserve", d)
	return option(func(r *Registration) { r.step.Reserve = d })
}

// Concurrent has the handlers of a scope run side by side. Given to Register or
// Start it panics there.
func Concurrent() Option { return concurrent{} }

type concurrent struct{}

func (concurrent) apply(r *Registration) {
	if r.sub == nil {
		panic(fmt.Sprintf("shutdown: Concurrent is an option of scopes, not of the handler at %s", r.step.Site()))
	}
	r.sub.concurrent = true
}
