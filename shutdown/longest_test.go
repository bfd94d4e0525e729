package shutdown_test

import (
	"context"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

const longest = time.Duration(math.MaxInt64)

// Groups and scopes that stop by themselves while the program runs have the longest grace period.
func TestTheLongestGraceOfGroupsAndScopes(t *testing.T) {
	inBubble(t, func(p *bubble) {
		p.Grace = longest
		slow := func(ctx context.Context) error { <-ctx.Done(); return p.takes(100 * ms)(ctx) }
		r := p.runs(func(ctx context.Context) error {
			for _, g := range []*group.Group{{}, {Grace: longest}} {
				g.Go("slow", slow)
				g.Go("ends", p.takes(s))
				if err := g.Run(ctx); err != nil {
					t.Error("group:", err)
				}
			}
			sc := p.Scope("scope")
			sc.Register(p.takes(100 * ms))
			if err := sc.Close(context.Background()); err != nil {
				t.Error("scope:", err)
			}
			return nil
		})
		if r.Err() != nil {
			t.Error(r.Err())
		}
	})
}

// Every duration that a user can set is as long as possible. No sum may become negative: no step is
// ended early, except by a second signal, and no reported time is below zero.
func TestTheLongestDurations(t *testing.T) {
	stop := func(p *bubble) { p.Stop(nil) }
	for _, tt := range []struct {
		name string
		stop func(p *bubble)
	}{
		{"Stop", stop},
		{"Quiesce, and Stop in the delay", func(p *bubble) { p.Quiesce(); time.Sleep(s); p.Stop(nil) }},
		{"Quiesce, and Stop a year later", func(p *bubble) { p.Quiesce(); time.Sleep(8760 * time.Hour); p.Stop(nil) }},
		{"two signals", func(p *bubble) { p.signals <- sigterm; time.Sleep(300 * ms); p.signals <- sigterm }},
	} {
		for _, delay := range []time.Duration{0, longest} {
			t.Run(tt.name+", delay "+delay.String(), func(t *testing.T) {
				inBubble(t, func(p *bubble) {
					p.Grace, p.Delay = longest, delay
					p.Observe = func(e shutdown.Event) { notNegative(t, e) }
					long := []shutdown.Option{shutdown.Timeout(longest), shutdown.Reserve(longest)}
					p.Register(p.takes(100*ms), append(long, shutdown.Name("handler"))...)
					seq := p.Scope("in order", long...)
					seq.Register(p.takes(100*ms), append(long, shutdown.Name("first of two"))...)
					seq.Register(p.takes(100*ms), shutdown.Name("second of two"))
					all := p.Scope("side by side", append(long, shutdown.Concurrent())...)
					all.Register(p.takes(100*ms), append(long, shutdown.Name("one of two"))...)
					all.Register(p.takes(100*ms), shutdown.Name("other of two"))
					p.Start(func(ctx context.Context) error { <-ctx.Done(); return p.takes(100 * ms)(ctx) }, append(long, shutdown.Name("started"))...)
					done := make(chan *shutdown.Report)
					go func() {
						done <- p.runs(func(ctx context.Context) error {
							g := group.Group{Grace: longest}
							slow := func(ctx context.Context) error { <-ctx.Done(); return p.takes(100 * ms)(ctx) }
							g.Go("task", slow, group.Timeout(longest), group.Reserve(longest))
							g.Go("another", slow)
							return g.Run(ctx)
						})
					}()
					synctest.Wait()
					tt.stop(p)
					if tt.name != "two signals" && delay > 0 { // 146 years
						time.Sleep(s)
						p.signals <- sigterm
						time.Sleep(s)
						p.signals <- sigterm
					}
					r := <-done
					notNegative(t, r)
					if len(r.Steps) != 9 || !r.Forced && r.Err() != nil {
						t.Errorf("%d steps, error %v; want 9, nil\n%v", len(r.Steps), r.Err(), r)
					}
				})
			})
		}
	}
}

// A reserve also counts after a second signal.
func TestTheLongestReserveOfAForcedStop(t *testing.T) {
	for _, reserve := range []time.Duration{time.Hour, math.MaxInt64} {
		inBubble(t, func(p *bubble) {
			p.Grace = 10 * s
			p.Register(p.takes(500*ms), shutdown.Reserve(reserve))
			p.signalAt(0, sigterm)
			p.signalAt(300*ms, sigterm)
			r := p.runs(func(ctx context.Context) error { <-ctx.Done(); return p.takes(250 * ms)(ctx) })
			if !r.Forced || r.Err() != nil {
				t.Errorf("Reserve %v: forced %t, %v; want true, nil", reserve, r.Forced, r.Err())
			}
		})
	}
}

// notNegative fails for each negative time.Duration in v.
func notNegative(t *testing.T, v any) {
	t.Helper()
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			look(path, v.Elem())
		case reflect.Slice:
			for i := range v.Len() {
				look(path, v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					look(path+"."+f.Name, v.Field(i))
				}
			}
		case reflect.Int64:
			if v.Type() == reflect.TypeFor[time.Duration]() && v.Int() < 0 {
				t.Errorf("%s = %v", path, time.Duration(v.Int()))
			}
		}
	}
	look(reflect.TypeOf(v).String(), reflect.ValueOf(v))
}
