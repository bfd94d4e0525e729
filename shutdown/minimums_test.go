package shutdown_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A minimums is a program of random scopes. Some of its handlers are stuck, others need nearly all
// of their minimum, and some are closed or unregistered before their turn. Whatever the stuck ones
// do, and whichever handlers are closed, the others do not fail.
type minimums struct {
	*bubble
	rnd    *rand.Rand
	scopes []*shutdown.Scope
	regs   []*shutdown.Registration
	story  journal
}

func (m *minimums) tell(format string, args ...any) {
	m.story.add(fmt.Sprintf("%v "+format, append([]any{m.now()}, args...)...))
}

// scope makes a scope on the Coordinator or on another scope.
func (m *minimums) scope() {
	var opts []shutdown.Option
	name := fmt.Sprint("scope ", len(m.scopes))
	if m.rnd.IntN(3) == 0 {
		name += ", concurrent"
		opts = append(opts, shutdown.Concurrent())
	}
	make, home := m.Scope, m.rnd.IntN(len(m.scopes)+1)-1
	if home >= 0 {
		make = m.scopes[home].Scope
	}
	m.tell("%s in %d", name, home)
	m.scopes = append(m.scopes, make(name, opts...))
}

func (m *minimums) register() {
	h, name, opts := m.hangs, "stuck", []shutdown.Option(nil)
	switch m.rnd.IntN(6) {
	case 0:
		opts = append(opts, shutdown.Timeout(time.Duration(1+m.rnd.IntN(5))*s))
	case 1, 2, 3:
		h, name = m.takes(900*ms), "well"
	case 4:
		h, name = m.takes(1800*ms), "well, with a reserve"
		opts = append(opts, shutdown.Reserve(2*s))
	}
	register, home := m.Register, m.rnd.IntN(len(m.scopes)+1)-1
	if home >= 0 {
		register = m.scopes[home].Register
	}
	name = fmt.Sprint(name, " ", len(m.regs))
	m.tell("%s in %d", name, home)
	m.regs = append(m.regs, register(h, append(opts, shutdown.Name(name))...))
}

// interfere does something during the drain, by the given choices.
func (m *minimums) interfere(what, i int) {
	ctx := context.Background()
	switch what {
	case 0:
		m.tell("unregister %d: %t", i%len(m.regs), m.regs[i%len(m.regs)].Unregister())
	case 1:
		m.tell("close handler %d", i%len(m.regs))
		_ = m.regs[i%len(m.regs)].Close(ctx)
	case 2:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 40*s)
		defer cancel()
		fallthrough
	default:
		if len(m.scopes) > 0 {
			m.tell("close scope %d", i%len(m.scopes))
			_ = m.scopes[i%len(m.scopes)].Close(ctx)
		}
	}
}

func TestModelOfTheMinimums(t *testing.T) {
	for seed := range uint64(400) {
		inBubble(t, func(p *bubble) {
			p.Grace = 60 * s
			m := &minimums{bubble: p, rnd: rand.New(rand.NewPCG(seed, 1))}
			m.register()
			for range 4 + m.rnd.IntN(14) {
				if m.rnd.IntN(4) == 0 && len(m.scopes) < 6 {
					m.scope()
				} else {
					m.register()
				}
			}
			for range m.rnd.IntN(5) {
				when, what, i := 1+m.rnd.IntN(20000), m.rnd.IntN(4), m.rnd.IntN(1<<20)
				p.at(time.Duration(when)*ms, func() { m.interfere(what, i) })
			}
			main := p.takes(time.Duration(m.rnd.IntN(10000)) * ms)
			if m.rnd.IntN(3) == 0 {
				first := time.Duration(1+m.rnd.IntN(10000)) * ms
				p.signalAt(first, sigint)
				p.signalAt(first+time.Duration(250+m.rnd.IntN(40000))*ms, sigint)
			}
			report := p.runs(main)
			synctest.Wait()
			failed := report.Took > p.Grace
			for _, st := range report.Steps {
				failed = failed || st.Outcome == shutdown.OutcomeSkipped || st.Outcome != shutdown.OutcomeOK && strings.HasPrefix(st.Name, "well")
			}
			if failed {
				t.Errorf("seed %d:\n%s\n%v", seed, strings.Join(m.story.lines, "\n"), report)
			}
		})
		if t.Failed() {
			return
		}
	}
}
