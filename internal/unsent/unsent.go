// Package unsent tells whether the kernel still sends the end of a response to a slow client. Over HTTP/2
// the client answers what it reads with frames. If the server has closed the socket, these reset it, and
// the rest of the response is lost.
package unsent

import (
	"net"
	"time"
)

const (
	// afterPart is how long a client may take to acknowledge a part of what was sent to it. A client
	// that has vanished acknowledges nothing.
	afterPart = time.Second
	// afterAll is from the last acknowledgment to the close. The client reads the rest meanwhile, and
	// may close the connection itself.
	afterAll = 250 * time.Millisecond
	// stalled is more than there is between two looks, unless this process has stalled. A client may then
	// have stalled with it.
	stalled = 500 * time.Millisecond
)

// Bytes returns how many bytes that were written to c its client has not acknowledged. On other systems
// than Linux it is 0, and so it is if c is closed or is no socket of package net.
func Bytes(c net.Conn) int {
	switch c := c.(type) {
	case *net.TCPConn:
		return unacknowledged(c)
	case *net.UnixConn:
		return unacknowledged(c)
	}
	return 0
}

// A Watch follows one connection. Its zero value is ready for use.
type Watch struct {
	bytes           int
	changed, looked time.Time
}

// Sends reports whether the server should wait before it closes c. It is called at least every 250 ms. The
// wait begins anew whenever the client has acknowledged more, and is at most limit.
func (w *Watch) Sends(c net.Conn, now time.Time, limit time.Duration) bool {
	if n := Bytes(c); n != w.bytes || n > 0 && now.Sub(w.looked) > stalled {
		w.bytes, w.changed = n, now
	}
	w.looked = now
	wait := afterAll
	if w.bytes > 0 {
		wait = afterPart
	}
	return now.Before(w.changed.Add(min(wait, limit)))
}
