package tree_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// A spec describes a handler, or a scope with its members, the oldest first.
type spec struct {
	name       string
	limits     tree.Limits
	takes      time.Duration // of a handler, whatever its context does
	does       tree.Func     // of a handler, before that
	isScope    bool
	concurrent bool
	members    []*spec

	node     *tree.Node
	isClosed bool // somebody closes it early
}

func hangs(name string) *spec                  { return &spec{name: name, takes: forever} }
func takes(d time.Duration, name string) *spec { return &spec{name: name, takes: d} }
func scopeOf(name string, members ...*spec) *spec {
	return &spec{name: name, isScope: true, members: members}
}

func concurrentlyOf(name string, members ...*spec) *spec {
	return &spec{name: name, isScope: true, concurrent: true, members: members}
}

func (sp *spec) timeout(d time.Duration) *spec { sp.limits.Timeout = d; return sp }
func (sp *spec) reserve(d time.Duration) *spec { sp.limits.Reserve = d; return sp }

// build adds the nodes of the specs to the list l.
func (p *program) build(l *tree.Node, specs ...*spec) {
	for _, sp := range specs {
		if sp.isScope {
			sp.node = p.scope(l, sp.name, sp.concurrent, sp.limits)
			p.build(sp.node, sp.members...)
			continue
		}
		sp.node = p.handler(l, sp.name, func(ctx context.Context) error {
			if sp.does != nil {
				if err := sp.does(ctx); err != nil {
					return err
				}
			}
			p.sleep(sp.takes)
			return nil
		}, sp.limits)
	}
}

// lines returns the specs as text.
func lines(specs []*spec, indent string) (text string) {
	for _, sp := range specs {
		kind := ""
		if sp.concurrent {
			kind = " concurrent"
		}
		text += fmt.Sprintf("\n%s%s%s timeout %v reserve %v takes %v", indent, sp.name, kind, sp.limits.Timeout, sp.limits.Reserve, sp.takes)
		text += lines(sp.members, indent+"\t")
	}
	return text
}
