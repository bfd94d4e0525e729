package httpdrain

import (
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A busyListener has an Accept that returns only when the test says so, like that of package net on a
// busy machine.
type busyListener struct {
	net.Listener
	release, closed chan struct{}
}

func (l *busyListener) Accept() (net.Conn, error) { <-l.release; return nil, net.ErrClosed }
func (l *busyListener) Close() error              { close(l.closed); return nil }
func (l *busyListener) Addr() net.Addr            { return new(net.TCPAddr) }

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
				go k.takeQueue(time.Second)
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
				if !returns {
					l.release <- struct{}{}
				}
			})
		})
	}
}
