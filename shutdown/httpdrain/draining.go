package httpdrain

import "context"

// Draining returns a channel that is closed when the server is told to stop, which is at the end of
// the delay, or at the moment that [Spread] gives to the request's connection. ctx is the context
// of a request. A stream or a long poll should end its response then, so that its client reconnects
// to another server. The context of a request that was hijacked will do as well: a WebSocket's
// handler should close its connection then. For any other context the channel is nil, so that a
// receive from it blocks for ever.
func Draining(ctx context.Context) <-chan struct{} {
	l, ok := ctx.Value(&linkKey).(*link)
	if !ok {
		return nil
	}
	if !l.asks.Load() {
		l.asks.Store(true)
	}
	return l.told
}
