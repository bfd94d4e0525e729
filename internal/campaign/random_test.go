package campaign

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A generator makes the program of a seed. The program depends on nothing else.
type generator struct {
	*rand.Rand
	n     int  // actors so far
	depth int  // number of outer programs
	calm  bool // no step fails by itself or takes long
	taken map[time.Duration]bool
}

func random(seed uint64) *program {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), taken: make(map[time.Duration]bool)}
	p := g.program()
	p.Seed = seed
	return p
}

// program makes a program, or one that an actor of another program runs.
func (g *generator) program() *program {
	defer func(calm bool) { g.calm = calm }(g.calm)
	g.calm = g.chance(12)
	p := &program{Grace: g.among(2, 30), Ctx: g.strange(true), Group: g.strange(true), Reraise: g.chance(ifelse(g.calm, 50, 10))}
	if g.chance(10) {
		p.Grace = time.Duration(100+g.IntN(1900)) * ms
	}
	if g.chance(30) {
		p.Delay = time.Duration(g.IntN(int(p.Grace*2/3/ms))) * ms
	}
	if p.Alone = g.depth > 0 && g.chance(25); p.Alone {
		if p.Ctx != nil && p.Ctx.Blocks < 0 { // its Shutdown would never return
			p.Ctx.Blocks = 3 * s
		}
		p.Stack = g.entries(0)
		for range g.few(80, 3) {
			p.Events = append(p.Events, g.event())
		}
		p.neverExits()
		return p
	}
	p.Main = g.actor("main")
	g.alone(p.Main, 15)
	if g.chance(60) {
		p.Pool = g.chance(20)
		for range 1 + g.IntN(4) {
			p.Tasks = append(p.Tasks, g.task())
		}
	}
	for range g.few(25, 2) {
		p.Holds = append(p.Holds, g.hold())
	}
	p.Stack = g.entries(0)
	for _, e := range p.Stack {
		if g.depth > 0 && e.Actor != nil && g.chance(10) { // the program around
			e.Actor.does(shutsDown)
			e.Actor.Way = 4
		}
	}
	for range g.few(ifelse(g.depth == 0, 80, 40), 5) { // steps of an inner program may be ended by the outer one
		p.Events = append(p.Events, g.event())
	}
	for i, a := range p.Tasks { // tasks that have begun to stop by themselves are told to stop
		if a.Pair && a.Alone > 0 && g.chance(50) {
			p.Events = append(p.Events, &event{At: a.Alone + g.unique(1000), What: shutTask, N: i, Within: g.within()})
		}
		if a.Inner != nil && g.chance(30) { // with what is in it
			p.Events = append(p.Events, &event{At: g.unique(8000), What: shutTask, N: i, Within: g.unique(3000)})
		}
	}
	if g.chance(12) { // a hook, in most cases without a stop after it
		at := g.unique(5000)
		p.Events = append(p.Events, &event{At: at, What: quiesced}, &event{At: at + g.unique(8000), What: resumed})
	}
	if g.chance(10) { // twice the same
		e := event{At: g.unique(10000), What: ifelse(g.chance(50), closedHandler, closedScope), N: g.IntN(8), Within: g.within()}
		again := e
		again.At, again.Within = e.At+g.unique(2000), g.within()
		p.Events = append(p.Events, &e, &again)
	}
	if g.chance(15) { // a third signal, as from a terminal
		at := g.unique(12000)
		for i := range 2 + g.IntN(2) {
			p.Events = append(p.Events, &event{At: at + time.Duration(i)*(250*ms+time.Duration(i)), What: signalled, N: g.IntN(2)})
		}
	}
	if g.chance(20) || *starts && g.depth == 0 {
		g.warmups(p)
	}
	if g.chance(30) {
		g.failures(p)
	}
	return p
}

// neverExits removes the calls of Exit. Without a Run they would end the process, with the outer
// program.
func (p *program) neverExits() {
	var ofActor func(*actor)
	var ofEntry func(*entry)
	ofActor = func(a *actor) {
		if a == nil {
			return
		}
		if a.Does == exits {
			a.does(returns)
		}
		ofActor(a.Sub)
		ofEntry(a.Scope)
	}
	ofEntry = func(e *entry) {
		if e == nil {
			return
		}
		ofActor(e.Actor)
		for _, inner := range e.Entries {
			ofEntry(inner)
		}
	}
	for _, e := range p.Stack {
		ofEntry(e)
	}
	for _, e := range p.Events {
		if e.What == exited {
			e.What = looked
		}
		ofActor(e.Sub)
		ofEntry(e.Scope)
	}
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// few is 0 with the rest of the chance, else up to most.
func (g *generator) few(percent, most int) int {
	if !g.chance(percent) {
		return 0
	}
	return 1 + g.IntN(most)
}

// among returns a number of seconds.
func (g *generator) among(from, to int) time.Duration { return time.Duration(from+g.IntN(to-from)) * s }

// unique returns an instant that no other event has, and that is no sum of whole milliseconds.
func (g *generator) unique(below int) time.Duration {
	for {
		at := time.Duration(1+g.IntN(below))*ms + time.Duration(1+len(g.taken))*time.Microsecond
		if !g.taken[at] {
			g.taken[at] = true
			return at
		}
	}
}

// within returns the deadline of a context. One in five has passed, or comes at the end of the step
// that the call waits for.
func (g *generator) within() time.Duration {
	switch n := g.IntN(10); {
	case n < 5:
		return 0
	case n < 6:
		return -1
	case n < 7:
		return asLongAsItTakes
	case n < 9:
		return time.Duration(1+g.IntN(3000)) * ms
	}
	return time.Duration(1+g.IntN(30000)) * ms
}

// strange makes one in ten contexts one of another type. Those that live for long may block later.
func (g *generator) strange(long bool) *strange {
	if !g.chance(10) {
		return nil
	}
	s := &strange{Hidden: g.chance(50)}
	if g.chance(60) {
		s.Blocks = ifelse(g.chance(30), -1, g.unique(3000))
	}
	if long {
		s.After = g.unique(15000)
	}
	return s
}

func (g *generator) name(kind string) string {
	g.n++
	return fmt.Sprintf("%s %d", kind, g.n)
}

func (g *generator) actor(kind string) *actor {
	a := &actor{Name: g.name(kind), Way: g.IntN(5), Code: g.IntN(4), Within: g.within(), Ctx: g.strange(false)}
	switch n := g.IntN(100); {
	case n < 27:
		a.Does = returns
	case n < 28:
		a.Does = ifelse(g.depth < 2, ifelse(g.chance(80), runs, shutsInner), returns)
	case n < 30:
		a.Does = makes
	case n < 50:
		a.Does = obeys
	case n < 58:
		a.Does = fails
	case n < 63:
		a.Does = panics
	case n < 67:
		a.Does = goexits
	case n < 80:
		a.Does = deaf
	case n < 84:
		a.Does = leaks
	case n < 86:
		a.Does = exits
	case n < 88:
		a.Does = codes
	case n < 91:
		a.Does = stops
	case n < 93:
		a.Does = shutsDown
	case n < 95:
		a.Does, a.Sub = registers, g.simple("handler")
	case n < 96:
		a.Does, a.Sub = spawns, g.simple("hold")
	case n < 97:
		a.Does = ifelse(g.chance(30), asks, quiesces)
	case n < 98:
		a.Does = ifelse(g.chance(30), hands, closes)
	case n < 99:
		a.Does = shuts
	default:
		a.Does = unregisters
	}
	if g.calm && a.Does >= fails && a.Does <= codes && a.Does != leaks {
		a.Does = ifelse(a.Way < 2, returns, obeys)
	}
	switch a.Does {
	case makes:
		g.maker(a)
	case runs:
		g.depth++
		a.Program = g.program()
		g.depth--
	}
	if a.Does == codes && kind != "main" {
		a.Does = fails
	}
	switch g.IntN(6) {
	case 0, 1, 2:
	case 3:
		a.For = time.Duration(g.IntN(1200)) * ms
	case 4:
		a.For = time.Duration(g.IntN(6000)) * ms
	default:
		a.For = time.Duration(g.IntN(40000)) * ms
	}
	if g.calm {
		a.For = (a.For / 40).Truncate(ms)
	}
	return a
}

// maker has an actor make a scope.
func (g *generator) maker(a *actor) {
	a.does(makes)
	a.Scope = g.scope(1)
}

// simple makes an actor that does not call the Coordinator.
func (g *generator) simple(kind string) *actor {
	a := g.actor(kind)
	if a.Does > leaks {
		a.does(returns)
	}
	return a
}

// terms gives an actor options.
func (g *generator) terms(a *actor) *actor {
	if g.chance(12) {
		a.Timeout = time.Duration(1+g.IntN(4000)) * ms
	}
	if g.chance(12) {
		a.Reserve = time.Duration(1+g.IntN(5000)) * ms
	}
	return a
}

func (g *generator) alone(a *actor, percent int) *actor {
	if g.chance(percent) {
		a.Alone = g.unique(15000)
	}
	return a
}

// hold makes a hold. A third of them are calls of Hold, which can only return or be stuck.
func (g *generator) hold() *actor {
	a := g.actor("hold")
	switch {
	case g.chance(30):
		a.Bare = true
		a.does(ifelse(a.Does == deaf, deaf, returns))
	case g.chance(12):
		g.maker(a)
	}
	return a
}

func (g *generator) task() *actor {
	a := g.plainTask()
	switch n := g.IntN(100); {
	case n < 15:
		a.Pair = true
		g.alone(a, 30)
	case n < 25:
		a.Inner, a.Alone = &inner{Pool: g.chance(30), Ctx: g.strange(true)}, 0
		a.does(returns)
		for range 1 + g.IntN(3) {
			a.Inner.Tasks = append(a.Inner.Tasks, g.plainTask())
		}
	}
	return a
}

func (g *generator) plainTask() *actor {
	a := g.terms(g.alone(g.actor("task"), 15))
	a.Mild = g.chance(30)
	if g.chance(3) {
		a.does(shuts)
	}
	return a
}

func (g *generator) entries(depth int) (es []*entry) {
	for range g.IntN(7 - 2*depth) {
		switch n := g.IntN(10); {
		case n < 2 && depth < 2:
			es = append(es, g.scope(depth+1))
		case n < 3 && depth == 0:
			e := &entry{Started: true, Actor: g.terms(g.alone(g.actor("started"), 15))}
			if g.chance(15) { // perhaps another one, which closes this one
				e.Actor.does(closes)
				e.Actor.Code = 1
			}
			es = append(es, e)
		default:
			e := &entry{Actor: g.terms(g.actor("handler"))}
			switch n := g.IntN(100); {
			case n < 8 && depth > 0:
				e.Actor.does(closes)
			case n < 10+4*depth:
				e.Actor.does(unregisters)
			}
			es = append(es, e)
		}
	}
	return es
}

// scope makes a scope at the given depth.
func (g *generator) scope(depth int) *entry {
	e := &entry{Concurrent: g.chance(40), Entries: g.entries(depth)}
	if g.chance(15) {
		e.Timeout = time.Duration(1+g.IntN(6000)) * ms
	}
	if g.chance(15) {
		e.Reserve = time.Duration(1+g.IntN(6000)) * ms
	}
	if e.Concurrent && len(e.Entries) > 0 && e.Entries[0].Actor != nil && g.chance(40) { // of a handler that runs beside it
		e.Entries[0].Actor.does(unregisters)
	}
	return e
}

func (g *generator) event() *event {
	e := &event{At: g.unique(20000), N: g.IntN(8), Within: g.within(), Ctx: g.strange(false)}
	switch n := g.IntN(100); {
	case n < 27:
		e.What = signalled
	case n < 36:
		e.What = stopped
	case n < 42:
		e.What = cancelled
	case n < 50:
		e.What = quiesced
	case n < 54:
		e.What = handedOver
	case n < 60:
		e.What = resumed
	case n < 66:
		e.What, e.Sub = registered, g.terms(g.actor("handler"))
	case n < 71:
		e.What = unregistered
	case n < 75:
		e.What = closedHandler
	case n < 80:
		e.What = closedScope
	case n < 82:
		e.What = releasedScope
	case n < 88:
		e.What = shutTask
	case n < 92:
		e.What, e.Sub = begun, g.hold()
	case n < 94:
		e.What = exited
	case n < 95:
		e.What = shutDown
	case n < 96:
		e.What = looked
	case n < 98:
		e.What, e.Scope = made, g.scope(1)
	default:
		e.What, e.Sub = addedTask, g.task()
	}
	return e
}
