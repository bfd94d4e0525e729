// Package grpcdrain serves a grpc.Server and drains it within the time that the program has.
//
//	srv := grpcdrain.NewServer()
//	echopb.RegisterEchoServer(srv, new(echo))
//	g.Go("grpc", grpcdrain.Serve(srv, grpcdrain.Addr(":50051")))
//
// # The drain
//
//	t0                       told to stop                                  deadline
//	│ the stop is announced  │ the task's context ends                            │
//	├──────── Delay ─────────┼────────────────────────────────────────────────────┤
//	 everything is served      the listener is closed
//	 health: NOT_SERVING       connections get GOAWAY
//	                           Draining tells streams to end, at once or over Spread
//	                           connections without a handshake close after 250 ms
//	                           RPCs in flight are awaited
//	                                                          their contexts end│ │
//	                                                       connections are closed │
//
// The task returns right after the last RPC and connection. It returns at once if there is none.
//
// Serve calls GracefulStop of grpc, which waits for all RPCs. What Serve adds:
//
//   - A limit. GracefulStop waits for the last stream, and Stop cuts off everything.
//   - [Draining] tells streams that the server stops. GOAWAY only tells clients not to open more.
//   - Contexts of RPCs end shortly before the deadline. context.Cause is [shutdown.ErrGrace], or a
//     *signals.Error after a second signal. So a handler can still answer. At the deadline its RPC
//     is cut short all the same: the task fails, and the outcome of its step is late. After a second
//     signal the RPC is finished, and the status counts it as hurried. The handler then has nearly
//     half of the step's minimum to answer. The drain finds out that time with a task of its own,
//     which the report has as "time to answer".
//   - The step's status and its error say which methods are waited for or were cut short, how many
//     RPCs of each, the age of the oldest, and the addresses of their clients.
//   - [Health] changes before the delay, so that clients and probes see it while the server serves.
//   - Connections without a completed handshake are closed after 250 ms. While one is open, grpc
//     sends no GOAWAY to the others, for up to 120 s. A client whose handshake takes longer than
//     250 ms is refused, where GracefulStop would wait for it.
//   - On Linux, a slow client gets the end of its last response. grpc closes the connection a second
//     after the last RPC, even if the kernel has not sent all of the response yet. The drain keeps it
//     open as long as the client acknowledges more each second.
//   - Streams of health's Watch and of the reflection service are ended. They would last as long
//     as their clients.
//
// # Handlers
//
// The context of an RPC has the values of the task's context: [shutdown.FromContext],
// [group.WorkContext] and [shutdown.Go] work in handlers. A stream that sends selects on [Draining]
// as well as on its next message. A call of RecvMsg returns when the client sends something or
// leaves, or when the connection is closed; the end of the RPC's context does not wake it. A stream
// that waits for its client therefore receives on a goroutine of its own.
//
// A panic in a handler ends the process, as with grpc alone. An interceptor can turn it into an
// error.
//
// # Rolling restarts
//
// A client that was refused waits for a second and more before it connects again. If the next
// server stops before that, calls fail, whatever the servers do. Leave some seconds between two
// restarts: minReadySeconds in Kubernetes.
//
// # Limits
//
// Connections are passed to grpc in a wrapper, to see when they are closed. It has SyscallConn, and
// NetConn returns the wrapped connection. grpc therefore does not set TCP_USER_TIMEOUT on them,
// which it does for a *net.TCPConn with keepalive.ServerParameters; keepalive pings work.
//
// A server may also be the handler of an http.Server. httpdrain drains that, and Draining
// works. Do not give such a server to Serve in addition: GracefulStop cuts off RPCs that came by
// ServeHTTP.
package grpcdrain
