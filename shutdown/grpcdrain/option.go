package grpcdrain

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"google.golang.org/grpc/health"
)

// An Option changes how Serve serves and drains.
type Option interface{ apply(*options) }

type option func(*options)

func (o option) apply(s *options) { o(s) }

type options struct {
	addr     *string
	listener net.Listener
	health   *health.Server
	spread   time.Duration
}

// Addr makes the server listen on a TCP address, such as ":50051". With port 0 the system chooses
// a free port; use Listener if the program has to know which.
func Addr(address string) Option {
	return option(func(o *options) { o.addr = &address })
}

// Listener makes the server accept from l, which may be a Unix socket, a bufconn.Listener or a
// listener that limits connections. The task closes l. Listener panics if l is nil.
func Listener(l net.Listener) Option {
	if l == nil {
		panic("grpcdrain: Listener was given nil, at " + caller())
	}
	return option(func(o *options) { o.listener = l })
}

// Health makes h follow the program's readiness. The program still has to register h with the
// server.
//
// When the server listens, the overall status, that of the service "", becomes SERVING, and so do
// the statuses of registered services for which the program has set none. But as long as the program
// has not started, see Coordinator.Warmup, all statuses are NOT_SERVING. When the stop is
// requested or announced, which is before the delay, all statuses become NOT_SERVING, and stay so
// whatever the program sets. After the start, and after Coordinator.Resume, they are what
// they were before.
//
// Streams of the method Watch get the last status and are ended. Health panics if h is nil.
func Health(h *health.Server) Option {
	if h == nil {
		panic("grpcdrain: Health was given nil, at " + caller())
	}
	return option(func(o *options) { o.health = h })
}

// Spread spreads the moments at which RPCs learn from Draining that they should end over at most d,
// so that their clients do not all reconnect at the same time. Each RPC has a moment of its own.
// The window begins when the server is told to stop. It ends one second before the contexts of RPCs
// end, so that the RPCs that are told last have that second. If a quarter of the task's budget is
// less than a second, they have that quarter. If this makes the window shorter than d, the step's
// status says so. A second signal ends the window. The task returns when the last RPC and the last
// connection have ended, which may be earlier than the end of the window.
//
// Spread does not reserve time for the task; group.Reserve does. GOAWAY is sent to all connections
// at the beginning: grpc-go cannot send it to one connection. Spread panics if d is negative.
func Spread(d time.Duration) Option {
	if d < 0 {
		panic(fmt.Sprintf("grpcdrain: Spread(%v) is negative, at %s", d, caller()))
	}
	return option(func(o *options) { o.spread = d })
}

// caller is the file and line of the caller of the function that calls it.
func caller() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", file, line)
}

// listen returns the listener that the options name.
func (o *options) listen() (net.Listener, error) {
	switch {
	case o.addr != nil && o.listener != nil:
		return nil, errors.New("both Addr and Listener are given; give one of them")
	case o.listener != nil:
		return o.listener, nil
	case o.addr == nil:
		return nil, errors.New("neither Addr nor Listener is given; give one of them")
	case *o.addr == "":
		return nil, errors.New(`the address given to Addr is empty; ":0" is any free port`)
	}
	return net.Listen("tcp", *o.addr)
}
