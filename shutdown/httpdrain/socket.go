package httpdrain

import (
	"net"
	"sync"
	"time"
)

// A socket is a listener of package net. When the server is told to stop, the drain takes all
// connections in the kernel's accept queue and closes the socket: the kernel resets those in the
// queue of a closed socket, which may be hundreds. Accept then returns what was taken.
//
// With Wrap, the user's listener calls Accept, and the server gets the connections from that
// listener. So Accept fails only when the server has got all of them.
type socket struct {
	net.Listener // a *net.TCPListener or a *net.UnixListener
	s            *server

	mu        sync.Mutex
	changed   sync.Cond // accepting, queued, emptied or over
	accepting int       // calls of Accept that wait in package net
	taking    bool      // Accept returns only the connections in queued
	queued    []net.Conn
	emptied   bool      // nothing follows the connections in queued
	over      bool      // Accept fails
	held      int       // connections that Accept has returned and the server has not got yet
	last      time.Time // when Accept has returned the last one
}

// heldAtMost is how long the drain waits for a connection that the listener of Wrap does not pass
// on. Such a listener may read the first bytes of a connection, and may pass it to another server.
const heldAtMost = restOfHeader

func newSocket(l net.Listener, s *server) *socket {
	k := &socket{Listener: l, s: s}
	k.changed.L = &k.mu
	return k
}

// isSocket reports whether l is from package net: its Close does not block.
func isSocket(l net.Listener) bool {
	switch l.(type) {
	case *net.TCPListener, *net.UnixListener:
		return true
	}
	return false
}

// Close does nothing. The listener of Wrap calls it, also where it is shared by several servers, of
// which one stops before the accept queue is empty. The listener for net/http calls shut.
func (k *socket) Close() error { return nil }

// shut closes the socket. An Accept that endAccept could not end holds up the Close of package net.
func (k *socket) shut() {
	k.mu.Lock()
	accepts := k.accepting > 0 && k.taking
	k.mu.Unlock()
	if accepts {
		go k.Listener.Close()
		return
	}
	_ = k.Listener.Close()
}

func (k *socket) Accept() (net.Conn, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.taking {
		if c, err := k.accept(); err == nil {
			return k.give(c), nil
		} else if !k.taking {
			return nil, err
		}
	}
	for !k.isOver(time.Now()) {
		if len(k.queued) > 0 {
			c := k.queued[0]
			k.queued = k.queued[1:]
			return k.give(c), nil
		}
		k.changed.Wait()
	}
	return nil, &net.OpError{Op: "accept", Net: k.Addr().Network(), Addr: k.Addr(), Err: net.ErrClosed}
}

// accept waits for a connection. It is called with the lock held, and releases it meanwhile.
func (k *socket) accept() (net.Conn, error) {
	k.accepting++
	k.mu.Unlock()
	c, err := k.Listener.Accept()
	k.mu.Lock()
	k.accepting--
	k.changed.Broadcast()
	return c, err
}

// give returns c for Accept. It is called with the lock held.
func (k *socket) give(c net.Conn) net.Conn {
	c, l := k.s.wrapSocket(c)
	l.heldBy.Store(k)
	k.held++
	k.last = time.Now()
	return c
}

// passed records that the server has got the connection, or that it was closed before.
func (l *link) passed() {
	k := l.heldBy.Swap(nil)
	if k == nil {
		return
	}
	k.mu.Lock()
	k.held--
	k.mu.Unlock()
	k.s.wake()
}

// isOver reports whether the server has got all connections. It is called with the lock held.
func (k *socket) isOver(now time.Time) bool {
	if !k.over && k.emptied && len(k.queued) == 0 && (k.held == 0 || !now.Before(k.last.Add(heldAtMost))) {
		k.over = true
		k.changed.Broadcast()
	}
	return k.over
}

// takeQueue takes the connections in the accept queue, and closes the socket when the queue is
// empty. If the process runs out of descriptors before that, it goes on for at most wait: each
// response now closes its connection, which frees a descriptor.
func (k *socket) takeQueue(wait time.Duration) {
	until := time.Now().Add(wait)
	k.endAccept(until)
	for ; ; time.Sleep(minPause) {
		fds, spare, more := takeReady(k.Listener)
		emptied := !more || !time.Now().Before(until)
		if emptied {
			k.shut() // before anything else: connections that come in between are reset
		}
		conns := connsOf(fds, spare)
		k.mu.Lock()
		k.queued, k.emptied = append(k.queued, conns...), emptied
		k.changed.Broadcast()
		k.mu.Unlock()
		if emptied {
			return
		}
	}
}

// endAccept ends the calls of Accept in package net, and waits until they have returned. Until then, a
// close of the socket takes effect only when their goroutines run again. On a busy machine, dozens of
// connections come before that, and are reset.
func (k *socket) endAccept(until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taking = true
	switch inner := k.Listener.(type) {
	case *net.TCPListener:
		_ = inner.SetDeadline(past)
	case *net.UnixListener:
		_ = inner.SetDeadline(past)
	}
	// The deadline has no effect if somebody has made the descriptor blocking.
	defer time.AfterFunc(time.Until(until), func() {
		k.mu.Lock() // so that it does not come between the check and Wait
		defer k.mu.Unlock()
		k.changed.Broadcast()
	}).Stop()
	for k.accepting > 0 && time.Now().Before(until) {
		k.changed.Wait()
	}
}

var past = time.Unix(1, 0)

// settled reports whether Accept fails from now on. If it returns false, next is at most the time
// at which to call it again, unless a connection has changed before.
func (k *socket) settled(now time.Time, next *time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.isOver(now) {
		return true
	}
	if len(k.queued) == 0 {
		reached(k.last.Add(heldAtMost), now, next)
	}
	return false
}

// reached reports whether now is at or after at. If not, next is at most at.
func reached(at, now time.Time, next *time.Time) bool {
	if !now.Before(at) {
		return true
	}
	if at.Before(*next) {
		*next = at
	}
	return false
}

// abort closes the connections that Accept has not returned, and makes it fail. It returns their
// number.
func (k *socket) abort() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n = len(k.queued)
	for _, c := range k.queued {
		_ = c.Close()
	}
	k.queued, k.emptied, k.over = nil, true, true
	k.changed.Broadcast()
	return n
}
