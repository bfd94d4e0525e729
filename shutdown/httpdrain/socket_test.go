package httpdrain

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A busyListener has an Accept that returns only when the test says so, like that of package net on a
// busy machine. Close waits for it, as in package net.
type busyListener struct {
	net.Listener
	release, closed chan struct{}
	accepts         sync.WaitGroup
}

func (l *busyListener) Accept() (net.Conn, error) {
	l.accepts.Add(1)
	defer l.accepts.Done()
	<-l.release
	return nil, net.ErrClosed
}

func (l *busyListener) Close() error {
	close(l.closed)
	l.accepts.Wait()
	return nil
}

func (l *busyListener) Addr() net.Addr { return new(net.TCPAddr) }

func (l *busyListener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// The drain closes the socket when no Accept waits in package net any more, so that the close takes
// effect at once. It does not wait for longer than it is allowed to.
func TestSocketIsClosedWhenAcceptHasReturned(t *testing.T) {
	for name, returns := range map[string]bool{"it returns": true, "it does not return": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &busyListener{release: make(chan struct{}), closed: make(chan struct{})}
				k := newSocket(l, newServer(&http.Server{}, options{}))
				const calls = 3 // as of cmux, which may accept on several goroutines
				for range calls {
					go func() {
						if c, err := k.Accept(); err == nil {
							t.Errorf("Accept() = %v, want an error", c)
						}
					}()
				}
				synctest.Wait()
				taken := make(chan struct{})
				go func() { k.takeQueue(time.Second); close(taken) }()
				for range calls - 1 {
					l.release <- struct{}{}
				}
				time.Sleep(time.Second - time.Nanosecond)
				synctest.Wait()
				if l.isClosed() {
					t.Error("closed while an Accept waits")
				}
				if returns {
					l.release <- struct{}{}
				} else {
					time.Sleep(time.Nanosecond)
				}
				synctest.Wait()
				if !l.isClosed() {
					t.Error("not closed")
				}
				<-taken // also while Close waits
				if !returns {
					l.release <- struct{}{}
				}
			})
		})
	}
}

// The limit of the wait may come at any moment of it.
func TestEndAcceptReturnsAtItsLimit(t *testing.T) {
	for n := range 4_000 {
		k := newSocket(&busyListener{}, newServer(&http.Server{}, options{}))
		k.accepting = 1
		k.endAccept(time.Now().Add(time.Duration(n%400) * 25 * time.Nanosecond))
	}
}
