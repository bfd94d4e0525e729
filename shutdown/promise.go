package shutdown

import (
	"time"

	"github.com/lastcall-go/lastcall/internal/step"
)

// This file is what the entries of a stack are owed. A handler is owed what its terms
// say, a sequential scope the sum of its entries, a concurrent one its largest. Most
// handlers have no terms: they are counted, not looked at.

// uneven reports whether r is not just one more handler without terms.
func (r *Registration) uneven() bool { return r.sub != nil || r.step.Terms != step.Terms{} }

// count is how many steps s has one after the other.
func (s *Scope) count() int {
	switch {
	case s.uneven == 0 && s.concurrent:
		return min(s.size, 1)
	case s.uneven == 0:
		return s.size
	}
	n := 0
	for r := s.newest; r != nil; r = r.older {
		k := 1
		if r.sub != nil {
			k = r.sub.count()
		}
		if s.concurrent {
			n = max(n, k)
		} else {
			n += k
		}
	}
	return n
}

// plan works out what the scopes within s are owed, and returns what its entries are.
func (s *Scope) plan(b *step.Budget) time.Duration {
	if s.uneven > 0 {
		for r := s.newest; r != nil; r = r.older {
			switch {
			case r.sub == nil:
			case r.sub.budget == nil:
				r.sub.promise = r.capped(r.sub.plan(b))
			default:
				r.sub.promise = r.capped(r.sub.wanted(b))
			}
		}
	}
	s.sum = s.owed(b)
	return s.sum
}

// wanted is what plan would return, for a scope that someone else is closing: what its
// entries are owed is planned already.
func (s *Scope) wanted(b *step.Budget) (sum time.Duration) {
	if s.uneven == 0 {
		return s.owed(b)
	}
	for r := s.newest; r != nil; r = r.older {
		owed := b.Promise(r.step.Terms)
		if r.sub != nil {
			owed = r.capped(r.sub.wanted(b))
		}
		sum = s.and(sum, owed)
	}
	return sum
}

// owed is what the entries of s are owed together, after plan.
func (s *Scope) owed(b *step.Budget) (sum time.Duration) {
	if s.uneven == 0 {
		floor := b.Promise(step.Terms{})
		if s.concurrent {
			return floor * time.Duration(min(s.size, 1))
		}
		return floor * time.Duration(s.size)
	}
	for r := s.newest; r != nil; r = r.older {
		sum = s.and(sum, r.owed(b))
	}
	return sum
}

// reserved is what the entries of s have asked for together.
func (s *Scope) reserved() (sum time.Duration) {
	if s.uneven == 0 {
		return 0
	}
	for r := s.newest; r != nil; r = r.older {
		reserve := r.step.Reserve
		if r.sub != nil {
			reserve = max(reserve, r.sub.reserved())
		}
		sum = s.and(sum, reserve)
	}
	return sum
}

func (s *Scope) and(sum, promise time.Duration) time.Duration {
	if s.concurrent {
		return max(sum, promise)
	}
	return step.Sum(sum, promise)
}

func (r *Registration) owed(b *step.Budget) time.Duration {
	if r.sub != nil {
		return r.sub.promise
	}
	return b.Promise(r.step.Terms)
}

// capped is the promise to a scope whose entries are owed sum.
func (r *Registration) capped(sum time.Duration) time.Duration {
	sum = max(sum, r.step.Reserve)
	if r.step.Timeout > 0 {
		sum = min(sum, r.step.Timeout)
	}
	return sum
}

// planned is the budget that s will be drained from, nil if there is none yet.
func (s *Scope) planned() *step.Budget {
	if s.c.run.Idle() {
		return nil // without a clock there is no plan, and the way up may be long
	}
	for s.budget == nil {
		if !s.entry.member {
			return nil // released, or the top
		}
		s = s.entry.home
	}
	return s.budget
}

// owe adds what is owed to an entry that came after the plan was made.
func (s *Scope) owe(r *Registration, now func() time.Duration) {
	b := s.planned()
	if b == nil {
		return
	}
	if r.sub != nil {
		r.sub.promise = r.capped(0)
	}
	more := r.owed(b)
	for ; s.budget == nil; s = s.entry.home {
		if s.concurrent {
			s.sum = max(s.sum, r.owed(b))
		} else {
			s.sum = step.Sum(s.sum, more)
		}
		r, more = &s.entry, s.recap()
	}
	if s.concurrent {
		return // it owes to what it starts, when it does
	}
	s.budget.Owe(more)
	if s.budget.Fit(now()) {
		s.c.scaled()
	}
}

// forgive takes back what r was owed. What a concurrent scope is owed for its largest
// stays: that costs nothing but a little of what hogs could have.
func (s *Scope) forgive(r *Registration) {
	b := s.planned()
	if b == nil {
		return
	}
	less := r.owed(b)
	for ; s.budget == nil && !s.concurrent; s = s.entry.home {
		s.sum = max(0, s.sum-less)
		less = -s.recap()
	}
	if !s.concurrent {
		s.budget.Forgive(less)
	}
}

// recap makes the promise to s that of its sum, and returns by how much it has grown: not
// as much as the sum where the scope has terms of its own.
func (s *Scope) recap() time.Duration {
	before := s.promise
	s.promise = s.entry.capped(s.sum)
	return s.promise - before
}
