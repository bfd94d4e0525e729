package httpdrain

// What is known of the body of a request.
const (
	noBody      uint32 = iota // there is none, it was read to its end, or it is not known
	bodyUnread                // it was not read to its end
	bodyAwaited               // net/http waits for more of it
)

// awaits records that net/http reads from the connection. A read of one byte is not for the body of
// a request: net/http waits for the end of the connection with it, once it has read the body.
func (l *link) awaits(b []byte) {
	switch {
	case l.body.Load() == noBody:
	case len(b) == 1:
		l.body.Store(noBody)
	default:
		l.body.Store(bodyAwaited)
	}
}

// stopReading makes net/http go on that reads the rest of a body. It then writes what it has of the
// response, and closes the connection.
func (l *link) stopReading() {
	if l.isSocket {
		_ = l.raw.SetReadDeadline(past)
		return
	}
	go l.s.try(func() { _ = l.raw.SetReadDeadline(past) })
}
