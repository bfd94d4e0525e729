package httpdrain

import (
	"net"
	"time"
)

// wrapSocket returns c, which is from package net, in a wrapper with a link. The server has not got
// the connection yet.
func (s *server) wrapSocket(c net.Conn) (net.Conn, *link) {
	l := s.newLink(c)
	l.isSocket = true
	switch socket := c.(type) {
	case *net.TCPConn:
		l.top = &tcpConn{socket, l}
	case *net.UnixConn:
		l.top = &unixConn{socket, l}
	}
	return l.top, l
}

// track adds a connection that Accept has returned to the server's links, and returns it wrapped. A
// connection of the user's type is not wrapped if possible: the wrapper would hide methods that
// net/http looks for. around is whether c may be what the listener of Wrap has put around a
// connection with a link.
func (s *server) track(c net.Conn, around bool) net.Conn {
	var l *link
	if around {
		l = s.linkUnder(c)
	}
	_, isTCP := c.(*net.TCPConn)
	_, isUnix := c.(*net.UnixConn)
	switch {
	case l != nil && l.top == c: // from the socket
		l.direct = true
	case isTCP || isUnix: // from a listener of the user's type
		c, l = s.wrapSocket(c)
		l.direct = true
	default:
		if l == nil {
			l = s.newLink(c)
			l.unwrapped = isComparable(c)
		}
		if isComparable(c) {
			l.key = c
		} else {
			c = &otherConn{c, l}
		}
	}
	l.top = c
	s.add(l)
	s.window.add(l)
	l.passed()
	return c
}

func (s *server) newLink(c net.Conn) *link {
	l := &link{s: s, raw: c, told: s.told}
	if s.window != nil {
		l.told = make(chan struct{})
	}
	return l
}

func (s *server) add(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[l] = struct{}{}
	if l.key != nil {
		s.unwrapped.Store(l.key, l)
	}
}

// linkUnder returns the link of the socket that c is, or has in it, or nil. The types of other
// packages have no common method that returns the inner connection. But nearly all of them pass a
// deadline on to it. So linkUnder sets one that nobody else sets, and sees which socket gets it.
func (s *server) linkUnder(c net.Conn) *link {
	switch c.(type) {
	case *tcpConn, *unixConn: // or of another server, see linkOf
		return s.linkOf(c)
	}
	s.probed.Store(nil)
	_ = c.SetReadDeadline(s.probe)
	_ = c.SetReadDeadline(time.Time{}) // c may have stored the probe
	return s.probed.Swap(nil)
}

// The probe of a server is the deadline that its linkUnder sets. The connection may be one of another
// server.
const probeSecond = 1 << 38

func newProbe(server int64) time.Time { return time.Unix(probeSecond, server%int64(time.Second)) }

// isProbe reports whether t is a probe. If it is that of the link's server, it records that it has
// reached this connection.
func (l *link) isProbe(t time.Time) bool {
	if t.Unix() != probeSecond {
		return false
	}
	if t.Equal(l.s.probe) {
		l.s.probed.Store(l)
	}
	return true
}
