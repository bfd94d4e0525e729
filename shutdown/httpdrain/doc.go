// Package httpdrain serves an http.Server and drains it without losing a request.
//
//	g.Go("http", httpdrain.Serve(&http.Server{Addr: ":8080", Handler: mux}))
//
// # The drain
//
//	t0                       told to stop                                  deadline
//	│ Ready() turns false    │ the task's context ends                            │
//	├──────── Delay ─────────┼───────────────────── drain ────────────────────────┤
//	 everything is served      the accept queue is served, the listener closed
//	 HTTP/1 responses say      idle connections close Linger (1 s) after t0,
//	 Connection: close         or with their next response
//	                           connections that sent nothing close after 250 ms,
//	                           those with part of a header or handshake after 500 ms
//	                           HTTP/2 connections get GOAWAY
//	                           streams and WebSockets learn of the stop from Draining
//	                           functions given to RegisterOnShutdown are called
//	                           requests in flight are awaited
//	                                                          their contexts end│ │
//	                                                       connections are closed │
//
// The task returns when no connection is open: at once if there is none, Linger after t0 if the last
// ones are idle, otherwise right after the last response.
//
// A client that keeps its connection alive may send a request at the moment in which the server
// closes that connection. The request is lost, and a client does not repeat it unless its method is
// idempotent. [http.Server.Shutdown] loses requests in this way. Only a close announced by
// "Connection: close" is free of this race. So from t0 on, every response says "Connection: close".
// A response of a request that was in flight at t0 says it, too, if its header is written after t0.
// Idle connections stay open for [Linger] from t0 on, so that their clients can send one more
// request and learn of the close from its response. Under load this costs no time: each connection
// gets a request before Linger ends, and is closed with its response.
//
// The guarantee: the drain closes a connection only while no request is in progress on it, and no
// handler is called for that connection afterwards. So no request is executed and then cut off,
// except at the deadline.
//
// # What is cut short
//
// The contexts of requests end a little before the deadline of the task, so that handlers can still
// answer. The time between the two is the margin of the task's step. A request that is in its
// handler when its context ends is cut short, whatever it answers then. So is a request whose
// connection is closed at the deadline. The task fails with an error that wraps
// [shutdown.ErrGrace], and the outcome of its step is late. The error names up to ten of these
// requests, with the pattern of http.ServeMux or else the path, the state, and the age:
//
//	httpdrain: 2 requests cut short: POST /orders, body not received, 24.1s; GET /report/{id}, answered, 23.2s
//
// The age of a request that is older than the stop is "more than" the time since then. The states
// are:
//
//   - answered: the handler has returned, after the end of its context
//   - not answered: it has not written a response
//   - body not received: it waits for the client, in the body of the request. This is only known
//     for HTTP/1 without TLS, and not behind Wrap.
//   - in the middle of the response
//   - over HTTP/2: it has not returned
//   - hijacked: the connection belongs to the application
//
// A second signal ends the contexts, too. A request that is answered then is finished, and the
// step's status says how many were hurried: "3 requests finished, 2 of them hurried". That is no
// failure. If a handler does not return soon, its request is cut short, which is one.
//
// # Limits
//
// A client that pauses between two requests for longer than Linger may find its connection
// closed. HTTP/1.1 has no message for idle clients.
//
// A connection that arrives between the last check of the accept queue and the close of the socket is
// reset, and so is one whose TCP handshake is not over then. On a busy machine, with 24 clients that
// opened a connection for each request, one connection was reset in 116 stops. A delay in which
// clients go elsewhere avoids the loss.
//
// Over HTTP/2 a connection may be idle while the kernel still has the end of a response for a slow
// client. On Linux the drain waits for that as long as the client acknowledges more of it each second.
// Elsewhere, and for connections that are no sockets, it closes the connection 250 ms after the response.
//
// For a proxy that speaks HTTP/2 to the server, only the delay helps. GOAWAY names the last
// stream that is served, and some proxies (haproxy) do not repeat the streams after it. Make the
// delay long enough for the proxy to see that the server is not ready.
//
// The handlers of golang.org/x/net/http2/h2c hijack their connections, as WebSockets do. The
// drain waits for these connections until the deadline. Use the Protocols field of http.Server
// instead.
//
// httputil.ReverseProxy does not ask [Draining] for a connection that it has upgraded, such as a
// WebSocket's. The connection lasts until its client or its backend closes it, or until the context
// of the request ends. Pass a request whose context ends with Draining if that should be earlier.
//
// net/http reads up to 256 KiB of a body that the handler has not read, and waits for a client that
// does not send the rest. The drain ends that wait 500 ms after the handler has returned or, if that
// was before, after the server was told to stop. The client gets its response.
//
// [http.MaxBytesReader] does not recognize the ResponseWriter of this package. So it does not
// close the connection after a body that is too large. net/http closes the connection anyway if
// more than 256 KiB of the body are unread.
//
// # Listeners of other packages
//
// When a listener closes, the kernel resets the connections in its accept queue. The drain takes them
// from the queue before, and answers their requests. It can do that only if the listener is from
// package net. The step's status names any other listener: "accept queue not drained:
// *proxyproto.Listener; use Wrap". [Wrap] puts such a listener around the server's own, so that
// nothing is lost.
//
// [Attach] is for a server that somebody else serves.
//
// # Streams and WebSockets
//
// A streaming handler learns from [Draining] that it should finish. If it waits for the end of its
// request's context instead, the request is cut short. That context has the values of the task's
// context, so that [shutdown.FromContext] and [group.WorkContext] work in handlers.
//
// A hijacked connection, such as a WebSocket, belongs to the application. Its handler also learns
// of the stop from Draining. The handler then closes the connection itself, a WebSocket with close
// code 1001. The drain waits for that. A function given to RegisterOnShutdown is called once, when
// no HTTP/1 connection is idle any more. It cannot close connections that are hijacked later, by
// requests in flight.
//
// With thousands of such clients, [Spread] gives each connection a moment of its own, at which
// Draining tells its handlers. So the clients do not all reconnect at the same moment.
//
// Handlers and hooks see what net/http shows them: the ResponseWriter has the same methods,
// ConnState and ConnContext get the same connections, and files are sent with sendfile(2).
// Hijack returns a connection with the methods of a *net.TCPConn. The NetConn method of that
// connection returns the *net.TCPConn itself. Close the connection that Hijack returned. If you
// close the *net.TCPConn, the drain does not notice, and waits until the deadline.
//
// # Cost
//
// On a kept-alive connection of the loopback interface, a request takes about 1 µs longer than
// with net/http alone. bench/RESULTS.md has the measurement.
package httpdrain
