package step_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// A reader takes numbers out of what the fuzzer gives.
type reader struct{ b []byte }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

// duration is anything from a nanosecond to more than fits any grace period, mostly
// something sensible.
func (r *reader) duration() time.Duration {
	switch n := r.byte(); {
	case n < 64:
		return 0
	case n < 200:
		return time.Duration(r.byte()) * 50 * ms
	case n < 250:
		return time.Duration(r.byte())*s + time.Duration(r.byte())
	default:
		return time.Duration(uint64(r.byte())<<45 | uint64(r.byte())<<30) // up to a hundred days
	}
}

// An entry is a step to come, or a scope with steps.
type entry struct {
	terms   step.Terms
	promise time.Duration
	within  []*entry
}

func (r *reader) entries(n int, depth int) (es []*entry) {
	for range n {
		e := &entry{terms: step.Terms{Timeout: r.duration(), Reserve: r.duration()}}
		if depth < 3 && r.byte()%8 == 7 {
			e.within = r.entries(int(r.byte()%4), depth+1)
			if e.within == nil {
				e.within = []*entry{}
			}
		}
		es = append(es, e)
	}
	return es
}

// A schedule plays a drain against a Budget, and checks what each step gets. The steps
// take a part of their allowance that the fuzzer chooses, or all of it.
type schedule struct {
	t        *testing.T
	r        *reader
	now      time.Duration
	end      time.Duration
	forced   bool
	bent     bool          // the end was brought forward: the plan is void
	extended bool          // a scope has got more than it was given
	slack    time.Duration // of the arithmetic in floating point
}

func count(es []*entry) (n int) {
	for _, e := range es {
		if e.within == nil {
			n++
		} else {
			n += count(e.within)
		}
	}
	return n
}

func promise(b *step.Budget, es []*entry) (sum time.Duration) {
	for _, e := range es {
		e.promise = b.Promise(e.terms)
		if e.within != nil {
			e.promise = max(promise(b, e.within), e.terms.Reserve)
			if e.terms.Timeout > 0 {
				e.promise = min(e.promise, e.terms.Timeout)
			}
		}
		sum = step.Sum(sum, e.promise)
	}
	return sum
}

func owed(es []*entry) (sum time.Duration) {
	for _, e := range es {
		sum = step.Sum(sum, e.promise)
	}
	return sum
}

// part is the part of a promise of sum that can be kept with what is left.
func part(sum, left time.Duration) float64 {
	if sum <= 0 {
		return 1
	}
	return min(1, 0.9*float64(left)/float64(sum))
}

func (f *schedule) play(b *step.Budget, es []*entry, factor float64) {
	for i := 0; i < len(es) && !f.bent; i++ {
		switch f.r.byte() {
		case 250:
			f.forced = true
		case 251: // another is registered: it is the newest, and runs next
			late := &entry{terms: step.Terms{Timeout: f.r.duration(), Reserve: f.r.duration()}}
			late.promise = b.Promise(late.terms)
			b.Owe(late.promise)
			b.Fit(f.now)
			es = slices.Insert(es, i, late)
			factor = min(factor, part(owed(es[i:]), b.End()-f.now))
		case 252: // the next is unregistered
			b.Forgive(es[i].promise)
			continue
		}
		e := es[i]
		if e.within != nil {
			f.nest(b, e, factor)
			continue
		}
		left := b.End() - f.now
		allowance, promised := b.Take(f.now, e.promise, e.terms.Timeout, f.forced)
		f.check(i, e, left, allowance, factor)
		took := allowance // of a hog
		if n := f.r.byte(); n < 128 {
			took = allowance / 128 * time.Duration(n)
		} else if n > 240 && left > 0 {
			// What bounds the whole moves forward meanwhile.
			f.bound(b, e, promised, allowance)
		}
		if !f.bent {
			f.now += took
		}
	}
}

func (f *schedule) check(i int, e *entry, left, allowance time.Duration, factor float64) {
	f.t.Helper()
	if left > 0 && allowance <= 0 {
		f.t.Fatalf("step %d gets %v with %v left", i, allowance, left)
	}
	if left <= 0 && allowance != 0 {
		// It came late into a scope that was used up, and all others have to give.
		f.extended = true
		if f.now+allowance > f.end {
			f.t.Fatalf("step %d gets %v with %v left", i, allowance, f.end-f.now)
		}
	}
	if allowance > left && left > 0 {
		f.t.Fatalf("step %d gets %v of %v that are left", i, allowance, left)
	}
	if e.terms.Timeout > 0 && allowance > e.terms.Timeout {
		f.t.Fatalf("step %d gets %v with a timeout of %v", i, allowance, e.terms.Timeout)
	}
	kept := time.Duration(factor * float64(e.promise))
	if !f.extended && allowance < kept-f.slack {
		f.t.Fatalf("step %d gets %v, but was promised %v, of which %v had to be kept", i, allowance, e.promise, kept)
	}
}

// nest plays the steps of a scope. What they were promised together may be more than the
// scope was.
func (f *schedule) nest(b *step.Budget, e *entry, factor float64) {
	in := b.Nest(f.now, e.promise, e.terms.Timeout)
	if in.End() > b.End() || f.now < b.End() && in.End() <= f.now {
		f.t.Fatalf("a scope ends at %v, at %v of %v", in.End(), f.now, b.End())
	}
	sum := owed(e.within)
	in.Owe(sum)
	if sum > e.promise {
		factor *= float64(e.promise) / float64(sum)
	}
	f.play(in, e.within, factor)
}

// bound brings the end forward and looks at nothing but that all stays within it.
func (f *schedule) bound(b *step.Budget, e *entry, promised, allowance time.Duration) {
	f.bent = true
	f.now += allowance / 3
	limit := f.now + time.Duration(f.r.byte())*50*ms
	got := b.Bound(f.now, limit, promised, e.terms.Timeout)
	if got < 0 || f.now+got > max(limit, f.now) {
		f.t.Fatalf("a step bounded to %v gets %v", limit-f.now, got)
	}
	f.end = min(f.end, limit)
	f.now += got
	for range f.r.byte() % 8 {
		if f.now >= f.end {
			break
		}
		b.Owe(s)
		allowance, _ := b.Take(f.now, s, 0, f.forced)
		if allowance < 0 || f.now+allowance > f.end {
			f.t.Fatalf("a step after the bound gets %v of %v", allowance, f.end-f.now)
		}
		f.now += allowance
	}
}

// FuzzBudget checks, whatever the grace period, the delay, the terms and the behaviour of
// the steps: no step gets nothing while time is left; the sum never passes the end; and
// no step gets less than its promise, less what had to be scaled when the plan was made.
func FuzzBudget(f *testing.F) {
	seed := func(grace, delay time.Duration, script ...byte) {
		f.Add(int64(grace), int64(delay), script)
	}
	hogs := make([]byte, 0, 64)
	for range 16 {
		hogs = append(hogs, 200)
	}
	seed(25*s, 0, append([]byte{10}, hogs...)...)
	seed(25*s, 5*s, append([]byte{200}, hogs...)...)
	seed(10*s, 0, 3, 100, 40, 100, 200, 0, 100, 90, 255, 255, 1, 0, 200, 200, 200)
	seed(10*s, 0, 4, 0, 0, 7, 3, 0, 100, 90, 0, 0, 100, 0, 200, 200, 250, 200, 200, 200, 245, 4, 100)
	seed(100*ms, 60*ms, 20)
	seed(10*s, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 251, 100, 90, 100, 200, 200, 251, 0, 0, 200, 252, 200, 200)
	seed(1, 0, 255)
	seed(0, 0, 3)
	seed(math.MaxInt64/4, 0, 255, 255, 255, 255, 255, 255, 255)
	f.Fuzz(func(t *testing.T, grace, delay int64, script []byte) {
		const longest = int64(math.MaxInt64 / 4)
		g, r := time.Duration(grace&longest), &reader{script}
		d := min(time.Duration(delay&longest), g/2)
		es := r.entries(int(r.byte()), 0)
		play := &schedule{t: t, r: r, now: 1 + d, end: 1 + g}
		play.slack = time.Duration(float64(g)*1e-12) + time.Duration(4*count(es)+20)
		b := step.NewBudget(play.now, play.end, count(es))
		sum := promise(&b, es)
		b.Owe(sum)
		scaled := b.Fit(play.now)
		factor := part(sum, g-d)
		near := math.Abs(float64(sum)-0.9*float64(g-d)) < float64(play.slack)
		if want := factor < 1; scaled != want && !near {
			t.Fatalf("Fit = %v with %v promised of %v", scaled, sum, g-d)
		}
		play.play(&b, es, factor)
		if play.now > max(play.end, 1+d) {
			t.Fatalf("all is over at %v, after the end at %v", play.now, play.end)
		}
	})
}
