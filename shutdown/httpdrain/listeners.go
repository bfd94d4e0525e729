package httpdrain

import (
	"sync"
	"time"
)

// listeners are those that a server accepts from: one with Serve, any number with Attach.
type listeners struct {
	mu  sync.Mutex
	all []*listener
}

func (ls *listeners) add(l *listener) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all = append(ls.all, l)
}

func (ls *listeners) get() []*listener {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.all[:len(ls.all):len(ls.all)]
}

// areServed reports whether net/http calls Accept of none of them any more.
func (ls *listeners) areServed() bool {
	for _, l := range ls.get() {
		if !l.isServed() {
			return false
		}
	}
	return true
}

func (ls *listeners) areClosed() bool {
	for _, l := range ls.get() {
		if !l.closed.Load() {
			return false
		}
	}
	return true
}

func (ls *listeners) stop(wait time.Duration) {
	for _, l := range ls.get() {
		l.stop(wait)
	}
}

func (ls *listeners) settle(now time.Time, next *time.Time) {
	for _, l := range ls.get() {
		l.settle(now, next)
	}
}

func (ls *listeners) abort() (n int) {
	for _, l := range ls.get() {
		n += l.abort()
	}
	return n
}
