package campaign

import (
	"encoding/json"
	"strings"
)

// shrink makes a failing program smaller, as long as it breaks the same guarantee. It removes elements
// and simplifies the others until no change is possible.
func shrink(p *program, breaks func(*program) []string) (*program, []string) {
	findings := breaks(p)
	if len(findings) == 0 {
		return p, nil
	}
	guarantee, _, _ := strings.Cut(findings[0], ":")
	for n := 0; ; n++ {
		smaller, found := step(p, func(q *program) []string {
			got := breaks(q)
			for _, f := range got {
				if strings.HasPrefix(f, guarantee+":") {
					return got
				}
			}
			return nil
		})
		if smaller == nil {
			return p, findings
		}
		p, findings = smaller, found
	}
}

// step returns the first variant of p that still fails, or nil.
func step(p *program, breaks func(*program) []string) (*program, []string) {
	for i := 0; ; i++ {
		q := clone(p)
		if !vary(q, i) {
			return nil, nil
		}
		if findings := breaks(q); len(findings) > 0 {
			return q, findings
		}
	}
}

func clone(p *program) *program {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	q := new(program)
	if err := json.Unmarshal(b, q); err != nil {
		panic(err)
	}
	return q
}

// vary makes the i-th change to p. It returns false if there are fewer changes.
func vary(p *program, i int) bool {
	v := &variation{left: i}
	v.program(p)
	return v.done
}

func (v *variation) program(p *program) {
	v.events(p)
	v.stack(&p.Stack)
	v.actors(&p.Tasks)
	v.actors(&p.Holds)
	if p.Main != nil {
		v.actor(p.Main)
	}
	v.strange(&p.Ctx)
	v.strange(&p.Group)
	v.change(p.Delay != 0, func() { p.Delay = 0 })
	v.change(p.Reraise, func() { p.Reraise = false })
	v.change(p.Pool, func() { p.Pool = false })
}

// A variation counts changes, and makes one.
type variation struct {
	left int
	done bool
}

// change makes the change if it is possible and its number has come.
func (v *variation) change(differs bool, f func()) {
	if v.done || !differs {
		return
	}
	if v.left--; v.left < 0 {
		v.done = true
		f()
	}
}

func remove[T any](v *variation, from *[]T) {
	for i := range *from {
		v.change(true, func() { *from = append((*from)[:i:i], (*from)[i+1:]...) })
	}
}

func (v *variation) events(p *program) {
	remove(v, &p.Events)
	if v.done {
		return
	}
	for _, e := range p.Events {
		v.change(e.Within != 0, func() { e.Within = 0 })
		v.strange(&e.Ctx)
		if e.Sub != nil {
			v.actor(e.Sub)
		}
		v.scope(e.Scope)
	}
}

func (v *variation) stack(es *[]*entry) {
	remove(v, es)
	if v.done {
		return
	}
	for i, e := range *es {
		if e.Actor != nil {
			v.actor(e.Actor)
			continue
		}
		v.limits(e)
		v.change(len(e.Entries) > 0, func() { // its entries take its place
			rest := (*es)[i+1:]
			*es = append(append((*es)[:i:i], e.Entries...), rest...)
		})
		if v.done {
			return
		}
		v.stack(&e.Entries)
	}
}

func (v *variation) strange(s **strange) {
	v.change(*s != nil, func() { *s = nil })
	if *s != nil {
		v.change((*s).Blocks != 0, func() { (*s).Blocks = 0 })
		v.change((*s).Hidden, func() { (*s).Hidden = false })
	}
}

func (v *variation) limits(e *entry) {
	v.change(e.Timeout != 0, func() { e.Timeout = 0 })
	v.change(e.Reserve != 0, func() { e.Reserve = 0 })
	v.change(e.Concurrent, func() { e.Concurrent = false })
}

// scope varies a scope that is made at run time, if there is one.
func (v *variation) scope(e *entry) {
	if e == nil {
		return
	}
	v.limits(e)
	v.stack(&e.Entries)
}

func (v *variation) actors(as *[]*actor) {
	remove(v, as)
	if v.done {
		return
	}
	if len(*as) == 0 {
		*as = nil
	}
	for _, a := range *as {
		v.actor(a)
	}
}

func (v *variation) actor(a *actor) {
	v.change(a.Does != obeys || a.For != 0, func() { a.For = 0; a.does(obeys) })
	v.change(a.Does != returns && (a.Sub != nil || a.Scope != nil || a.Program != nil), func() { a.does(returns) })
	v.change(a.For != 0, func() { a.For = 0 })
	v.change(a.Alone != 0, func() { a.Alone = 0 })
	v.change(a.Timeout != 0, func() { a.Timeout = 0 })
	v.change(a.Reserve != 0, func() { a.Reserve = 0 })
	v.change(a.Within != 0, func() { a.Within = 0 })
	v.change(a.Way != 0, func() { a.Way = 0 })
	v.strange(&a.Ctx)
	v.change(a.Mild, func() { a.Mild = false })
	v.change(a.MayFail, func() { a.MayFail = false })
	v.change(a.Again != nil, func() { a.Again = nil })
	if a.Again != nil {
		v.change(a.Again.Tries > 0, func() { a.Again.Tries-- })
	}
	v.change(a.Pair, func() { a.Pair = false })
	v.change(a.Inner != nil, func() { a.Inner = nil })
	if a.Inner != nil {
		v.strange(&a.Inner.Ctx)
		v.change(a.Inner.Pool, func() { a.Inner.Pool = false })
		v.actors(&a.Inner.Tasks)
	}
	if a.Sub != nil {
		v.actor(a.Sub)
	}
	v.scope(a.Scope)
	if a.Program != nil {
		v.program(a.Program)
	}
}
