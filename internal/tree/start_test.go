package tree_test

import (
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

// The stacks for the error of a start are taken after its limit, and a stop may begin meanwhile. The
// handlers take a second each, so the step that starts is not told yet.
func TestAStopThatBeginsWhileTheStacksOfAStartAreTaken(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(p *program) *tree.Node
		told bool // because its start has failed
	}{
		{"of the list", func(p *program) *tree.Node { return p.stack }, false},
		{"of the program", func(p *program) *tree.Node { return p.root }, false},
		{"there is none", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				starts := newStep(tree.Task, "starts", obeys, tree.Limits{})
				starts.More = &tree.More{Warmup: 3 * s}
				p.run(p.stack, starts)
				p.handler(p.stack, "in the stack", p.takes(s), tree.Limits{})
				p.handler(p.body, "in the body", p.takes(s), tree.Limits{})
				time.Sleep(s)
				p.locked(func() {
					if tt.stop != nil {
						p.Stop(tt.stop(p), p.Now(), tree.Never, nil)
					}
					p.FailStart(starts, p.Now())
					if starts.WasTold() != tt.told {
						t.Errorf("WasTold() = %t, want %t", starts.WasTold(), tt.told)
					}
				})
				time.Sleep(5 * s)
			})
		})
	}
}
