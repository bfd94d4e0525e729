package tree

import (
	"context"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

// This file takes the stacks of steps that are stuck, or were late or cut short, and asks steps for
// their status. It does so without the lock: taking the stacks of very many goroutines takes long,
// and the function that returns a step's status is the user's code.

// requestStacks has the stacks of n taken, once.
func (t *Tree) requestStacks(n *Node) {
	if n.StacksRequested() {
		return
	}
	n.ensureDetails().stacksTaken = make(chan struct{})
	t.stackRequests = append(t.stackRequests, n)
	if len(t.stackRequests) == 1 {
		t.After(func() { go t.takeRequestedStacks() })
	}
}

// requestLeft has the stacks of n taken, which has returned: what it has left running may be the
// reason why it was late or failed. The stacks of a progress line show what it did before.
func (t *Tree) requestLeft(n *Node) {
	if !n.StacksRequested() {
		d := n.ensureDetails()
		d.stack, d.waitsFor = "", ""
	}
	t.requestStacks(n)
}

// takeRequestedStacks takes the stacks of all steps that were requested. Steps that get stuck
// together share a snapshot.
func (t *Tree) takeRequestedStacks() {
	unlabel()
	for {
		t.Lock()
		nodes := t.stackRequests
		t.Unlock()
		t.TakeStacks(nodes)
		t.Ask(nodes, 0)
		t.Lock()
		now := t.Now()
		for _, n := range nodes {
			close(n.details.stacksTaken)
			t.failStart(n, now) // if the stacks were requested for that
		}
		t.stackRequests = t.stackRequests[len(nodes):]
		more := len(t.stackRequests) > 0
		t.Unlock()
		if !more {
			return
		}
	}
}

// TakeStacks takes the stacks of the nodes now. The lock must not be held.
func (t *Tree) TakeStacks(nodes []*Node) { t.setStacks(nodes, stacks.Take(), false) }

// TakeStacksBriefly is TakeStacks without a long interruption of the steps, which may be busy ending:
// connections that leave one after the other would else leave in bursts. What it finds is for a progress
// line, and does not replace the stacks of the report.
func (t *Tree) TakeStacksBriefly(nodes []*Node) { t.setStacks(nodes, stacks.TakeBriefly(), true) }

func (t *Tree) setStacks(nodes []*Node, look stacks.Snapshot, brief bool) {
	for _, n := range nodes {
		t.Lock()
		family := t.family(n)
		t.Unlock()
		stack, waitsFor := stacksOf(look, family)
		t.Lock()
		keep := n.state == over || brief && n.StacksRequested() // they may be in the report, so they do not change
		if stack != "" && (!keep || n.Stack() == "") {
			n.ensureDetails().stack, n.ensureDetails().waitsFor = stack, waitsFor
		}
		t.Unlock()
	}
}

// stacksOf returns the stacks of the steps, each with a heading if there are several, and what the
// first step waits for.
func stacksOf(look stacks.Snapshot, family []*Node) (text, waitsFor string) {
	text, waitsFor = look.Of(family[0].Label())
	if len(family) == 1 {
		return text, waitsFor
	}
	var parts []string
	for _, n := range family {
		if stack, _ := look.Of(n.Label()); stack != "" {
			parts = append(parts, n.Name()+":\n"+stack)
		}
	}
	return strings.Join(parts, "\n"), waitsFor
}

// forgetStacks makes it possible to take the stacks of n again.
func (n *Node) forgetStacks() {
	if n.details == nil || n.details.stacksTaken == nil {
		return
	}
	select {
	case <-n.details.stacksTaken:
		n.details.stacksTaken = nil
	default: // they are being taken
	}
}

// Ask gets the statuses of the nodes, and waits for them for at most patience. A step whose
// function has not returned yet is not asked again. The lock must not be held.
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
	if n.details.progress != nil { // else the step has set its status meanwhile
		n.details.said = said
	}
	t.Unlock()
	answered <- struct{}{}
}

// unlabel removes the label that a goroutine of this package has inherited from a step.
func unlabel() { pprof.SetGoroutineLabels(context.Background()) }
