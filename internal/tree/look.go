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
func (t *Tree) look(n *Node) {
	if n.Looked() {
		return
	}
	n.see().looked = true
	t.looks = append(t.looks, n)
	if len(t.looks) == 1 {
		t.After(func() { go t.lookAll() })
	}
}

// lookAll takes the stacks of all that wait for it. Steps that get stuck together share one look
// at the process.
func (t *Tree) lookAll() {
	unlabel()
	for {
		t.Lock()
		nodes := t.looks
		t.Unlock()
		t.Look(nodes)
		t.Ask(nodes, 0)
		t.Lock()
		t.looks = t.looks[len(nodes):]
		more := len(t.looks) > 0
		t.Unlock()
		if !more {
			return
		}
	}
}

// Look finds out what the nodes wait for. The lock must not be held.
func (t *Tree) Look(nodes []*Node) {
	look := stacks.Take()
	for _, n := range nodes {
		stack, waitsFor := look.Of(n.Label())
		t.Lock()
		if stack != "" && (n.state != over || n.Stack() == "") { // of one that is over, others may have been told of
			n.see().stack, n.see().waitsFor = stack, waitsFor
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
		if s := n.seen; s != nil && s.progress != nil && !s.asking {
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
	n.seen.asking = false
	if n.seen.progress != nil { // else it has said something itself meanwhile
		n.seen.said = said
	}
	t.Unlock()
	answered <- struct{}{}
}

// unlabel takes the label of whichever step started it off a goroutine of this package.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }
