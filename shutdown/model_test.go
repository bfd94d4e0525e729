package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A model is a plain reference for the stack of a Coordinator that many goroutines use. It does not
// predict but records every call, with the readings of one shared counter. At the end it can tell
// which handlers must have run, how often, and in which order.
type model struct {
	c     *shutdown.Coordinator
	clock atomic.Int64
	stop  atomic.Int64 // when the stop was asked for

	mu       sync.Mutex
	handlers []*modelHandler
	scopes   []*modelScope
	released []func(context.Context) error
}

type modelScope struct {
	scope      *shutdown.Scope // nil: the Coordinator
	parent     *modelScope
	concurrent bool
	ends       atomic.Int64 // when someone first asked for its end
}

type modelHandler struct {
	name         string
	home         *modelScope
	reg          *shutdown.Registration
	from, to     int64 // the call of Register
	begin, end   atomic.Int64
	ran          atomic.Int32
	unregistered atomic.Int32 // how many were told that they have won
	alone        atomic.Bool  // someone called its own Close
}

func (m *model) now() int64 { return m.clock.Add(1) }

// first sets v to the current reading, unless it is set.
func (m *model) first(v *atomic.Int64) { v.CompareAndSwap(0, m.now()) }

// ended returns the earliest reading at which the end of the scope may have begun.
func (m *model) ended(s *modelScope) int64 {
	earliest := m.stop.Load()
	for ; s != nil; s = s.parent {
		if at := s.ends.Load(); at != 0 {
			earliest = min(earliest, at)
		}
	}
	return earliest
}

func (m *model) handler(r *rand.Rand) *modelHandler {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.handlers) == 0 {
		return nil
	}
	return m.handlers[r.IntN(len(m.handlers))]
}

func (m *model) scope(r *rand.Rand) *modelScope {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.scopes[r.IntN(len(m.scopes))]
}

func (m *model) register(r *rand.Rand) {
	h := &modelHandler{home: m.scope(r)}
	kind, more := r.IntN(12), rand.New(rand.NewPCG(r.Uint64(), 0))
	run := func(context.Context) error {
		h.begin.Store(m.now())
		defer func() { h.end.Store(m.now()) }()
		h.ran.Add(1)
		return m.behave(kind, h, more)
	}
	h.from = m.now()
	h.name = fmt.Sprint(h.from)
	if h.home.scope == nil {
		h.reg = m.c.Register(run, shutdown.Name(h.name))
	} else {
		h.reg = h.home.scope.Register(run, shutdown.Name(h.name))
	}
	h.to = m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers = append(m.handlers, h)
}

func (m *model) behave(kind int, h *modelHandler, r *rand.Rand) error {
	switch kind {
	case 0:
		panic("boom")
	case 1:
		runtime.Goexit()
	case 2:
		return errTask
	case 3:
		m.register(r)
	case 4:
		m.unregister(m.handler(r))
	case 5:
		m.nest(r)
	default:
		runtime.Gosched()
	}
	return nil
}

func (m *model) unregister(h *modelHandler) {
	if h != nil && h.reg.Unregister() {
		h.unregistered.Add(1)
	}
}

func (m *model) unregisterByName(h *modelHandler) {
	if h != nil {
		h.unregistered.Add(int32(m.c.Unregister(h.name)))
	}
}

func (m *model) nest(r *rand.Rand) {
	s := &modelScope{parent: m.scope(r), concurrent: r.IntN(4) == 0}
	var opts []shutdown.Option
	if s.concurrent {
		opts = append(opts, shutdown.Concurrent())
	}
	if s.parent.scope == nil {
		s.scope = m.c.Scope("", opts...)
	} else {
		s.scope = s.parent.scope.Scope("", opts...)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scopes = append(m.scopes, s)
}

func (m *model) act(r *rand.Rand) {
	ctx := context.Background()
	switch n := r.IntN(100); {
	case n < 50:
		m.register(r)
	case n < 62:
		m.unregister(m.handler(r))
	case n < 67:
		m.unregisterByName(m.handler(r))
	case n < 80:
		m.nest(r)
	case n < 87:
		if s := m.scope(r); s.scope != nil {
			m.first(&s.ends)
			_ = s.scope.Close(ctx)
		}
	case n < 94:
		if s := m.scope(r); s.scope != nil {
			m.first(&s.ends)
			run := s.scope.Release()
			m.mu.Lock()
			m.released = append(m.released, run)
			m.mu.Unlock()
			if r.IntN(2) == 0 {
				_ = run(ctx)
			}
		}
	default:
		if h := m.handler(r); h != nil {
			h.alone.Store(true)
			_ = h.reg.Close(ctx)
		}
	}
}

// play runs the program.
func (m *model) play(seed uint64) *shutdown.Report {
	const goroutines, actions = 4, 25
	r := rand.New(rand.NewPCG(seed, 0))
	stopper, stopAt := r.IntN(goroutines), r.IntN(actions)
	var all sync.WaitGroup
	for g := range goroutines {
		r := rand.New(rand.NewPCG(seed, uint64(g)+1))
		all.Go(func() {
			for i := range actions {
				if g == stopper && i == stopAt {
					m.first(&m.stop)
					m.c.Stop(nil)
				}
				m.act(r)
			}
		})
	}
	report := m.c.Run(context.Background(), obey)
	all.Wait()
	for i := 0; i < len(m.released); i++ { // handlers that run here may release more
		_ = m.released[i](context.Background())
	}
	return report
}

func (m *model) check(t *testing.T) {
	t.Helper()
	for _, h := range m.handlers {
		ran, unregistered := h.ran.Load(), h.unregistered.Load()
		switch want := int32(1); {
		case errors.Is(h.reg.Err(), shutdown.ErrDrained):
			if ran != 0 || unregistered != 0 {
				t.Errorf("%s was refused, but ran %d times, and was unregistered %d times", h.name, ran, unregistered)
			}
		case h.reg.Err() != nil:
			t.Errorf("%s: Err = %v", h.name, h.reg.Err())
		case ran+unregistered != want:
			t.Errorf("%s ran %d times and was unregistered %d times, want one of both once", h.name, ran, unregistered)
		}
	}
	homes := make(map[*modelScope][]*modelHandler)
	for _, h := range m.handlers {
		if h.ran.Load() == 1 && !h.alone.Load() && !h.home.concurrent {
			homes[h.home] = append(homes[h.home], h)
		}
	}
	for home, hs := range homes {
		m.checkOrder(t, hs, m.ended(home))
	}
}

// checkOrder checks the handlers of one scope that were registered before its end could have begun.
// It compares two handlers only if it is known which of them came first.
func (m *model) checkOrder(t *testing.T, hs []*modelHandler, end int64) {
	t.Helper()
	hs = slices.DeleteFunc(hs, func(h *modelHandler) bool { return h.to > end })
	for _, older := range hs {
		for _, newer := range hs {
			if older.to < newer.from && newer.end.Load() > older.begin.Load() {
				t.Errorf("%s was registered after %s, but was not over when that began", newer.name, older.name)
			}
		}
	}
}

func TestModelOfTheStack(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 30
	}
	start := rand.Uint64()
	for i := range seeds {
		seed := start + uint64(i)
		c := silent()
		shutdown.SetSignals(c, make(chan os.Signal))
		m := &model{c: c, scopes: []*modelScope{{}}}
		report := m.play(seed)
		m.check(t)
		for _, s := range report.Steps {
			if s.Outcome == shutdown.OutcomeSkipped || s.Outcome == shutdown.OutcomeAbandoned || s.Outcome == shutdown.OutcomeLate {
				t.Errorf("%s %s: %v", s.Kind, s.Name, s.Outcome)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Exactly one of running and unregistering wins.
func TestModelOfUnregistering(t *testing.T) {
	for range 200 {
		c := silent()
		shutdown.SetSignals(c, make(chan os.Signal))
		var ran, won atomic.Int32
		r := c.Register(func(context.Context) error { ran.Add(1); return nil }, shutdown.Name("contended"))
		var all sync.WaitGroup
		for _, f := range []func(){
			func() { c.Stop(nil) },
			func() { _ = r.Close(context.Background()) },
			func() { won.Add(int32(c.Unregister("contended"))) },
			func() {
				if r.Unregister() {
					won.Add(1)
				}
			},
		} {
			all.Go(f)
		}
		c.Run(context.Background(), obey)
		all.Wait()
		if ran.Load()+won.Load() != 1 {
			t.Fatalf("ran %d times, unregistered %d times", ran.Load(), won.Load())
		}
	}
}
