package main

import "slices"

// An advice says in one sentence each what usually causes a loss and what to do about it. Empty lists
// are all kinds and all phases; the first advice that fits counts.
type advice struct {
	kinds  []kind
	phases []phase
	cause  string
	remedy string
}

var advices = []advice{
	{
		[]kind{refused},
		nil,
		"Nobody listened at the address, and the client had no other server and no notice to leave.",
		"Start the new server before the old one stops, and keep the listener open until the load balancer has taken the server out.",
	},
	{
		nil,
		[]phase{beforeSignal, beforeCommand},
		"The server failed before it was told to stop, so the stop is not the cause.",
		"Read its log, raise its keep-alive timeout above the pauses of the clients, or send less load.",
	},
	{
		[]kind{failed},
		[]phase{duringCommand, afterCommand},
		"A proxy had no server for the request, or a server refused it because it was stopping.",
		"Answer requests until the proxy has taken the server out: readiness first, then a delay, then the stop.",
	},
	{
		[]kind{failed},
		nil,
		"The server was stopping and answered with an error, or something that its handlers need had stopped before them.",
		"Serve requests as usual until the last one is answered, and close databases and queues only after that.",
	},
	{
		[]kind{timedOut},
		nil,
		"A connection was left open that nobody served any more, or a handler waited for something that had stopped.",
		"Close or answer every connection that was accepted, and limit the time of each handler.",
	},
	{
		nil,
		[]phase{atExit},
		"The process ended while it worked on these requests.",
		"Handle SIGTERM, wait for the open requests before the exit, and let streams and WebSockets end before the deadline.",
	},
	{
		nil,
		[]phase{closes},
		"The listener was closed while connections waited in its queue, or a connection was dropped right after it was accepted.",
		"Say not ready and wait until no new connections come; then serve what is in the queue before the listener is closed.",
	},
	{
		[]kind{cut},
		nil,
		"The server ended an answer that it had begun.",
		"Wait for handlers to return before their connections are closed, and tell long answers to end.",
	},
	{
		nil,
		[]phase{delay},
		"Connections were closed although the server still had to serve.",
		"Close no idle connection and do not switch keep-alive off during the delay: announce the end with Connection: close or GOAWAY.",
	},
	{
		nil,
		[]phase{lingering},
		"An idle connection was closed when a request was already on its way.",
		"Announce the end with Connection: close or GOAWAY, and leave idle connections open for about a second.",
	},
	{
		nil,
		[]phase{afterClose},
		"The server took no more requests, but had not told the clients of these connections.",
		"Tell every client with Connection: close or GOAWAY, and close a connection only when its client had time to read that.",
	},
	{
		nil, nil,
		"A server went away without an answer to a request that had reached it.",
		"Let the proxy send no more requests before the server stops, and let the server finish those that it has.",
	},
}

func adviceOn(k kind, p phase) advice {
	for _, a := range advices {
		if (a.kinds == nil || slices.Contains(a.kinds, k)) && (a.phases == nil || slices.Contains(a.phases, p)) {
			return a
		}
	}
	return advice{} // not reached: the last fits all
}
