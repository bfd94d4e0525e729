package tree_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
)

const (
	ms      = time.Millisecond
	s       = time.Second
	forever = time.Duration(-1) // for a step that returns when the test is over
)

// A program is a tree like that of a Coordinator, with its host: main with its holds stops first,
// then the stack of handlers and tasks.
type program struct {
	*tree.Tree
	t                 *testing.T
	root, stack, body *tree.Node
	began             time.Duration
	grace             time.Duration
	slack             float64       // of the sums in lists
	over              chan struct{} // closed at the end of the test; stuck steps wait for it

	// The calls of the host, made with the lock held.
	onNotice func(n *tree.Node)
	onUnlock func()
	begun    []string // the steps, in the order in which they began to stop
	ended    []string
	scaled   int
	returned []string
}

// newProgram returns a program outside of a bubble. The test has to close over, and to wait for the
// steps that this releases.
func newProgram(t *testing.T) *program {
	p := &program{t: t, grace: 25 * s, slack: 1, over: make(chan struct{})}
	p.Tree = tree.New(tree.ValuesOf(context.Background()), host{p}, false)
	p.root, p.stack, p.body = newList("program", false), newList("stack", false), newList("body", true)
	p.began = p.Now()
	p.locked(func() {
		p.Adopt(p.root)
		_ = p.Add(p.root, p.stack, nil)
		_ = p.Add(p.root, p.body, nil)
	})
	return p
}

// inBubble calls f with a program in a bubble, and releases the stuck steps at the end.
func inBubble(t *testing.T, f func(p *program)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t)
		f(p)
		close(p.over)
		synctest.Wait()
	})
}

// A host is the tree.Host of a program.
type host struct{ p *program }

func (h host) Grace() time.Duration { return h.p.grace }
func (h host) Stopping() bool       { return h.p.root.Stopping() }

func (h host) Requested() bool                                           { return h.p.root.Stopping() }
func (h host) StartBegan(*tree.Node)                                     {}
func (h host) StartEnded(*tree.Node, time.Duration, bool)                {}
func (h host) StartsChanged()                                            {}
func (h host) StartFailed(*tree.Node, time.Duration, error)              {}
func (h host) GroupStops(_ *tree.Node, _ time.Duration, _ error, _ bool) {}
func (h host) Scaled()                                                   { h.p.scaled++ }
func (h host) Restarts(*tree.Node, time.Duration)                        {}
func (h host) Returned(n *tree.Node, err error) {
	h.p.returned = append(h.p.returned, fmt.Sprintf("%s: %v", n.Name(), err))
}

func (h host) Notice(n *tree.Node) {
	p := h.p
	p.check()
	if n.List == nil && n.Over() {
		p.ended = append(p.ended, fmt.Sprintf("%s %v at %v", n.Name(), outcome(n.Outcome), p.at(n.End)))
	} else if n.List == nil {
		p.begun = append(p.begun, fmt.Sprintf("%s %v %v %v", n.Name(), p.at(n.Start), p.at(n.Deadline()), p.at(n.End)))
	}
	if p.onNotice != nil {
		p.onNotice(n)
	}
}

// check compares the remembered state of the lists with the computed one. The lock is held.
func (p *program) check() {
	if wrong := tree.Inconsistency(p.root, p.slack); wrong != "" {
		p.t.Errorf("at %v: %s", p.at(p.Now()), wrong)
	}
}

// locked calls f with the lock held, and then check.
func (p *program) locked(f func()) {
	p.Lock()
	defer p.Unlock()
	f()
	p.check()
	if p.onUnlock != nil {
		p.onUnlock()
	}
}

// at returns the time from the start of the program to a reading.
func (p *program) at(reading time.Duration) time.Duration {
	if reading == tree.Never {
		return reading
	}
	return reading - p.began
}

func (p *program) since() time.Duration { return p.at(p.Now()) }

type outcome tree.Outcome

func (o outcome) String() string {
	return [...]string{"ok", "failed", "panicked", "goexited", "late", "abandoned", "skipped"}[o]
}

func newList(name string, concurrent bool) *tree.Node {
	return &tree.Node{Origin: site.Here().As(name), Kind: tree.Scope, List: &tree.List{Concurrent: concurrent}}
}

func newStep(kind tree.Kind, name string, f tree.Func, limits tree.Limits) *tree.Node {
	n := &tree.Node{Origin: site.Here().As(name), Kind: kind, Run: f, Limits: limits}
	if kind == tree.Main || kind == tree.Task {
		n.RunContext = new(tree.Context)
	}
	return n
}

func (p *program) scope(l *tree.Node, name string, concurrent bool, limits tree.Limits) *tree.Node {
	n := newList(name, concurrent)
	n.Limits = limits
	p.add(l, n)
	return n
}

// handler adds a handler.
func (p *program) handler(l *tree.Node, name string, f tree.Func, limits tree.Limits) *tree.Node {
	n := newStep(tree.Handler, name, f, limits)
	p.add(l, n)
	return n
}

func (p *program) add(l, n *tree.Node) {
	p.locked(func() { _ = p.Add(l, n, nil) })
}

// runs adds a step that runs from now on, and is told to stop in its turn.
func (p *program) runs(l *tree.Node, kind tree.Kind, name string, f tree.Func, limits tree.Limits) *tree.Node {
	n := newStep(kind, name, f, limits)
	p.run(l, n)
	return n
}

func (p *program) run(l, n *tree.Node) {
	p.locked(func() {
		if p.Add(l, n, p.Values()) == nil {
			p.Call(n)
		}
	})
}

// pair adds a task with two functions.
func (p *program) pair(l *tree.Node, name string, execute, interrupt tree.Func) *tree.Node {
	n := newStep(tree.Task, name, execute, tree.Limits{})
	n.RunContext, n.More = nil, &tree.More{Interrupt: interrupt}
	p.run(l, n)
	return n
}

// group makes a list of tasks that outer runs, as group.Run does.
func (p *program) group(outer *tree.Node, name string, concurrent bool) *tree.Node {
	g := newList(name, concurrent)
	g.Kind = tree.Group
	p.locked(func() {
		p.Adopt(g)
		p.RunBy(g, outer)
	})
	return g
}

// stopGroup stops a list made by group, as group.Run does.
func (p *program) stopGroup(g *tree.Node, limit time.Duration) {
	var done <-chan struct{}
	p.locked(func() {
		if limit != tree.Never {
			limit = p.Now() + limit
		}
		done = p.Stop(g, p.Now(), limit, context.Canceled)
	})
	<-done
}

// stop stops the program within the grace period, and waits until it is over.
func (p *program) stop(grace time.Duration) { <-p.begin(grace) }

// begin begins to stop the program.
func (p *program) begin(grace time.Duration) (done <-chan struct{}) {
	p.locked(func() {
		end := tree.Sum(p.Now(), grace)
		p.LimitAll(end)
		done = p.Stop(p.root, p.Now(), end, errStop)
	})
	return done
}

var errStop = fmt.Errorf("the program stops: %w", context.Canceled)

// close closes n early, within the given time. If ctx belongs to a step, that step is the closer.
func (p *program) close(ctx context.Context, n *tree.Node, most time.Duration) error {
	by, _ := p.Caller(ctx)
	var limit time.Duration
	p.locked(func() {
		if limit = tree.Sum(p.Now(), min(most, p.grace)); by != nil && by.Stopping() && most == tree.Never {
			limit = tree.Never // only the limit of by applies
		}
	})
	_, err := p.Close(n, tree.CloseOptions{By: by, Values: tree.ValuesOf(ctx), Limit: limit})
	p.locked(func() {})
	return err
}

// takes returns a step that takes the given time, whatever its context does.
func (p *program) takes(d time.Duration) tree.Func {
	return func(context.Context) error {
		p.sleep(d)
		return nil
	}
}

func (p *program) sleep(d time.Duration) {
	if d == forever {
		<-p.over
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.over:
	}
}

// obeys is a step that returns when its context ends.
func obeys(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// stopTask calls StopTask, and gives up when ctx ends.
func (p *program) stopTask(n *tree.Node, limit time.Duration, ctx context.Context) (over bool, err error) {
	p.Lock()
	defer p.Unlock()
	return p.StopTask(n, nil, limit, ctx.Done())
}

// after calls f later, unless the test is over.
func (p *program) after(d time.Duration, f func()) {
	go func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			f()
		case <-p.over:
		}
	}()
}

// wantLines compares the events with the expected ones.
func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantIdle fails the test if a step or a call of the program is left.
func (p *program) wantIdle() {
	p.t.Helper()
	p.locked(func() {
		if !p.Idle() {
			p.t.Error("something is left in the tree")
		}
	})
}
