package tree

import (
	"context"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/stacks"
)

// Values are the values of a context, without its end.
type Values struct {
	ctx    context.Context
	labels context.Context // has only the user's profiler labels among them
}

// ValuesOf returns the values of ctx. It calls methods of ctx, which may be the user's code: no
// lock must be held.
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

// withoutEnd returns a context with the values of ctx. If ctx is the context of a step, it returns
// the one from which the step's context has its values. Otherwise work that begins more work, and
// so on, would make a chain of contexts that grows for ever.
func withoutEnd(ctx context.Context) context.Context {
	if c, ok := ctx.(*Context); ok {
		return c.node.env.values.ctx
	}
	return context.WithoutCancel(ctx)
}

// An env has what the goroutines of a step share: its name, its label, and the values of its
// contexts. Handlers that run one after the other and were registered at the same line share an
// env, because making one costs more than all the rest that is done for a handler.
type env struct {
	origin site.Origin
	name   string
	values *Values
	labels context.Context
}

// value returns the profiler labels without a search among the values. Package pprof asks for them,
// perhaps while the lock is held, and the search may call code of the user.
func (e *env) value(key any) any {
	if v := e.labels.Value(key); v != nil {
		return v
	}
	return e.values.ctx.Value(key)
}

// newEnv makes an env with a profiler label that is unique in the process, so that the stacks of
// two steps are not mixed. letter marks steps whose goroutines may outlive them.
func (t *Tree) newEnv(n *Node, values *Values, letter string) *env {
	t.steps++
	e := &env{origin: n.Origin, values: values}
	e.name = n.Origin.Name() // after the copy, since Name changes n.Origin and envOf compares origins
	var buf [96]byte
	b := append(append(buf[:0], e.name...), '#')
	b = strconv.AppendInt(append(b, letter...), int64(t.steps), 10)
	b = append(append(b, '#'), t.id...)
	e.labels = pprof.WithLabels(values.labels, pprof.Labels(stacks.Key, string(b)))
	return e
}

// envOf returns the env of a handler that is about to be called.
func (t *Tree) envOf(n *Node) *env {
	values := t.values
	for m := n; m != nil; m = m.parent {
		if m.direct != nil && m.direct.values != nil {
			values = m.direct.values
			break
		}
	}
	// Two handlers must not share a label if they run at the same time, or if the first was
	// abandoned: each would be shown with the stacks of the other.
	if l := t.last; l == nil || l.state != over || l.Outcome == Abandoned || l.env.origin != n.Origin || l.env.values != values {
		n.env = t.newEnv(n, values, "")
	} else {
		n.env = l.env
	}
	t.last = n
	return n.env
}

// labelLetters marks the kinds of steps whose goroutines may outlive them.
var labelLetters = map[Kind]string{Main: "m", Hold: "h"}

// Enter adds n to the running steps. n is not a handler, so it runs before it is told to stop.
func (t *Tree) Enter(n *Node, values *Values) {
	n.env = t.newEnv(n, values, labelLetters[n.Kind])
	n.started = true
	if n.starting {
		t.removeAgain(n)
	}
	t.enter(n)
	t.beginStart(n)
}

// Call has the function of n called when the lock is released. Enter was called for n.
func (t *Tree) Call(n *Node) { t.calls = append(t.calls, call{n: n}) }

func (t *Tree) enter(n *Node) {
	n.at = int32(len(t.running))
	t.running = append(t.running, n)
}

// exit removes n from the running steps, if it is one.
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

// Label returns the value of n's profiler label.
func (n *Node) Label() string {
	label, _ := pprof.Label(n.env.labels, stacks.Key)
	return label
}

// in returns the step of t that is n, or that runs the program of n.
func (t *Tree) in(n *Node) *Node {
	for n != nil && n.tree != t {
		n = n.tree.Outer
	}
	return n
}

// Caller returns the calling step: the one that ctx belongs to, or the one whose goroutine is the
// calling one. To find the latter it scans all goroutines. hidden says that the goroutine is that
// of a step, but has replaced its label, so that the step is not known. The lock must not be held.
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

// Owns reports whether the caller is a step of t, or free, a step of a group without a Coordinator.
// hidden is as in Caller.
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
