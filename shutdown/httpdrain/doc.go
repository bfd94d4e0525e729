// Package httpdrain serves an http.Server and drains it without losing a request.
//
//	g.Go("http", httpdrain.Serve(&http.Server{Addr: ":8080", Handler: mux}))
//
// # The drain
//
//	t0                       told to stop                                        cut
//	│ the stop is announced  │ the task's context ends                           │
//	├──────── Delay ─────────┼───────────────────────────────────────────────────┤
//	 all is served as before   the listener is closed, and what it had is served
//	 HTTP/1 responses say      idle connections are served once more,
//	 Connection: close         and closed after Linger (1 s)
//	                           silent ones are closed after 250 ms, one that has
//	                           begun a header or a handshake after 500 ms
//	                           HTTP/2 connections get their GOAWAY, the functions
//	                           given to RegisterOnShutdown are called
//	                           requests in flight: awaited      contexts end│     │
//	                                                       connections are closed│
//
// The task returns with the last response, without waiting for anything to be looked at
// again, and at once where nothing is open.
//
// A client that keeps its connection alive may send a request in the same moment in which
// the server closes it; the request is lost, and if it is no GET, the client cannot send it
// again. That is what http.Server.Shutdown does. The one close that is free of it is one
// that the client was told of by a response. So each response says Connection: close from
// the announcement on, decided when its header is written, so that the requests in flight
// are covered; and an idle connection stays open for as long as its client is likely to
// use it once more. Under load that costs nothing, since each connection is used, and gone
// with its next response.
//
// What is guaranteed: a connection is closed only if none of its requests has reached a
// handler, and from then on none will. So no request is executed and then cut off, except at
// the cut, and then it is counted.
//
// # What cannot be done
//
// A client whose gap between two requests is longer than Linger may meet a closed
// connection: HTTP/1.1 has no way to tell an idle client.
//
// Behind a proxy that speaks HTTP/2 to the server only the delay helps. GOAWAY names the
// last stream that is served, and some proxies (haproxy) do not send those after it again:
// let the proxy notice that the server is not ready, before it is told to stop.
//
// The handlers of golang.org/x/net/http2/h2c take their connections away from net/http, as a
// WebSocket does, and are waited for until the cut. The server's Protocols do not need them.
//
// http.MaxBytesReader does not find net/http's own ResponseWriter, and so does not have it
// close the connection when a body is too large. net/http closes it all the same where more
// than 256 KiB are left.
//
// # Streams and WebSockets
//
// A handler that streams learns from Draining that it should come to an end. The context of
// its request lasts until shortly before the cut, and has the values of the task's context,
// so that shutdown.FromContext and group.WorkContext work in handlers.
//
// A connection that was hijacked, for a WebSocket, belongs to the application. The server's
// RegisterOnShutdown tells it of the stop, and it is the application that says goodbye
// (close code 1001). The drain waits until it has closed the connection.
//
// What net/http gives to handlers and hooks they get here: the ResponseWriter has the same
// methods, ConnState and ConnContext see the same connections, files are sent with
// sendfile(2). What Hijack returns has the methods of a *net.TCPConn, and is one within:
// see its NetConn method. It is closed by its own Close: what is closed by that of the one
// within is waited for until the cut.
//
// # What it costs
//
// One allocation for each 16 requests, and some 6 % of the time that net/http itself takes for
// an empty one in memory. See bench/RESULTS.md for the comparison.
package httpdrain
