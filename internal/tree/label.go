package tree

import (
	"context"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/stacks"
)

// Values are those of a context, without its end.
type Values struct {
	ctx    context.Context
	labels context.Context // has nothing but the profiler labels among them, without ours
}

// ValuesOf are the values of ctx. It calls methods of ctx, which may be the user's: no lock must
// be held.
func ValuesOf(ctx context.Context) *Values {
	var labels []string
	pprof.ForLabels(ctx, func(key, value string) bool {
		if key != stacks.Key {
			labels = append(labels, key, value)
		}
		return true
	})
	v := &Values{withoutEnd(ctx), context.Background()}
	if labels != nil {
		v.labels = pprof.WithLabels(v.labels, pprof.Labels(labels...))
	}
	return v
}

// withoutEnd is a context with the values of ctx alone. Those of a step's context are of another
// one, which serves: work that begins more of its kind, which does so in turn, would make a
// chain of contexts that grows for ever.
func withoutEnd(ctx context.Context) context.Context {
	if c, ok := ctx.(*Context); ok {
		return c.node.env.values.ctx
	}
	return context.WithoutCancel(ctx)
}

// An env is what the goroutines of a step have: its name, its label, and the values of its
// contexts. Handlers that are called one after the other, and were registered in one place, share
// one: making it costs more than all the rest that is done for a handler.
type env struct {
	origin site.Origin
	name   string
	values *Values
	labels context.Context
}

// value finds the profiler labels among the values. Package pprof would have to look for them to
// add its own, perhaps with the lock held.
func (e *env) value(key any) any {
	if v := e.labels.Value(key); v != nil {
		return v
	}
	return e.values.ctx.Value(key)
}

// newEnv makes an env with a profiler label that no other has, in this tree or another: equal
// ones would mix their stacks. The letter before its number is that of a step of which the
// goroutines may outlive it.
func (t *Tree) newEnv(n *Node, values *Values, letter string) *env {
	t.steps++
	e := &env{origin: n.Origin, values: values}
	e.name = n.Origin.Name() // after the copy: this changes n.Origin, and the next of its origin has to equal it
	var buf [96]byte
	b := append(append(buf[:0], e.name...), '#')
	b = strconv.AppendInt(append(b, letter...), int64(t.steps), 10)
	b = append(append(b, '#'), t.id...)
	e.labels = pprof.WithLabels(values.labels, pprof.Labels(stacks.Key, string(b)))
	return e
}

// envOf is the env of a handler that is about to be called.
func (t *Tree) envOf(n *Node) *env {
	values := t.values
	for m := n; m != nil; m = m.parent {
		if m.direct != nil && m.direct.values != nil {
			values = m.direct.values
			break
		}
	}
	// Of two that run at the same time, or of which the first was abandoned, the one must not be
	// shown with the stacks of the other.
	if l := t.last; l == nil || l.state != over || l.Outcome == Abandoned || l.env.origin != n.Origin || l.env.values != values {
		n.env = t.newEnv(n, values, "")
	} else {
		n.env = l.env
	}
	t.last = n
	return n.env
}

// letters of the kinds of steps whose goroutines may outlive them.
var labelLetters = map[Kind]string{Main: "m", Hold: "h"}

// Enter has n, which runs before it is told to stop, run from now on.
func (t *Tree) Enter(n *Node, values *Values) {
	n.env = t.newEnv(n, values, labelLetters[n.Kind])
	n.started = true
	t.enter(n)
}

// Call has the function of n, which was entered, called.
func (t *Tree) Call(n *Node) { t.calls = append(t.calls, call{n: n}) }

func (t *Tree) enter(n *Node) {
	n.at = int32(len(t.running))
	t.running = append(t.running, n)
}

// exit is the end of enter, if n was entered.
func (t *Tree) exit(n *Node) {
	if int(n.at) >= len(t.running) || t.running[n.at] != n {
		return
	}
	last := len(t.running) - 1
	t.running[n.at] = t.running[last]
	t.running[n.at].at = n.at
	t.running[last] = nil
	t.running = t.running[:last]
}

// Label is the value of n's label.
func (n *Node) Label() string {
	label, _ := pprof.Label(n.env.labels, stacks.Key)
	return label
}

// in is the step of t that n is, or in which the program of n runs.
func (t *Tree) in(n *Node) *Node {
	for n != nil && n.tree != t {
		n = n.tree.Outer
	}
	return n
}

// Caller is the step that calls: the one that ctx belongs to, or the one whose goroutine it is.
// The latter is found by looking through all goroutines. hidden says that the goroutine is that
// of a step, and that a label of its own making hides of which. The lock must not be held.
func (t *Tree) Caller(ctx context.Context) (by *Node, hidden bool) {
	if n := t.in(From(ctx)); n != nil {
		return n, false
	}
	if !stacks.Inside() {
		return nil, false
	}
	label := stacks.Self()
	if label == "" {
		return nil, true
	}
	t.Lock()
	defer t.Unlock()
	for _, n := range t.running {
		if n.env != nil && n.Label() == label {
			return n, false
		}
	}
	return nil, false
}

// Owns reports whether the caller's goroutine is that of a step of t, or of a group on its own.
// hidden is as Caller has it.
func (t *Tree) Owns(ctx context.Context) (own, free, hidden bool) {
	if t.in(From(ctx)) != nil {
		return true, false, false
	}
	if !stacks.Inside() {
		return false, false, false
	}
	label := stacks.Self()
	_, _, id, _ := stacks.Split(label)
	return id == t.id, strings.HasPrefix(id, groupPrefix), label == ""
}
