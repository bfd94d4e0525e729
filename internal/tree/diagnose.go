package tree

import (
	"context"
	"runtime/pprof"
	"time"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

// This file is what is found out about a step that does not return. Nobody waits for it: a look
// at very many goroutines takes long, and what a step says of itself is code of others.

// look has the stacks of n taken, once.
func (t *Tree) requestStacks(n *Node) {
	if n.StacksRequested() {
		return
	}
	n.ensureDetails().stacksRequested = true
	t.stackRequests = append(t.stackRequests, n)
	if len(t.stackRequests) == 1 {
		t.After(func() { go t.takeRequestedStacks() })
	}
}

// lookAll takes the stacks of all that wait for it. Steps that get stuck together share one look
// at the process.
func (t *Tree) takeRequestedStacks() {
	unlabel()
	for {
		t.Lock()
		nodes := t.stackRequests
		t.Unlock()
		t.TakeStacks(nodes)
		t.Ask(nodes, 0)
		t.Lock()
		t.stackRequests = t.stackRequests[len(nodes):]
		more := len(t.stackRequests) > 0
		t.Unlock()
		if !more {
			return
		}
	}
}

// Look finds out what the nodes wait for. The lock must not be held.
func (t *Tree) TakeStacks(nodes []*Node) {
	look := stacks.Take()
	for _, n := range nodes {
		stack, waitsFor := look.Of(n.Label())
		t.Lock()
		if stack != "" && (n.state != over || n.Stack() == "") { // of one that is over, others may have been told of
			n.ensureDetails().stack, n.ensureDetails().waitsFor = stack, waitsFor
		}
		t.Unlock()
	}
}

// Ask has the nodes say what they do, and waits for that, but not longer than patience. One that
// has not answered yet is not asked again. The lock must not be held.
func (t *Tree) Ask(nodes []*Node, patience time.Duration) {
	answered := make(chan struct{}, len(nodes))
	asked := 0
	t.Lock()
	for _, n := range nodes {
		if s := n.details; s != nil && s.progress != nil && !s.asking {
			s.asking = true
			asked++
			go t.ask(n, s.progress, answered)
		}
	}
	t.Unlock()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for range asked {
		select {
		case <-answered:
		case <-timeout.C:
			return
		}
	}
}

func (t *Tree) ask(n *Node, progress func() string, answered chan<- struct{}) {
	unlabel()
	said := progress()
	t.Lock()
	n.details.asking = false
	if n.details.progress != nil { // else it has said something itself meanwhile
		n.details.said = said
	}
	t.Unlock()
	answered <- struct{}{}
}

// unlabel takes the label of whichever step started it off a goroutine of this package.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }
