package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// What stays open until the server stops has to end by itself then: nobody else
// knows how to say goodbye. httpdrain.Draining tells when, and what does not
// listen to it is cut off when the server's time is over.

// events are the state twice a second, as server-sent events. Being told to go,
// the client connects again, by then to another server.
func (a *app) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		data, err := json.Marshal(a.state(time.Now()))
		if err != nil {
			a.log.Error().Err(err).Msg("state not written")
			return
		}
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", n, data)
		if http.NewResponseController(w).Flush() != nil {
			return // the client has gone
		}
		select {
		case <-ticker.C:
		case <-httpdrain.Draining(r.Context()):
			fmt.Fprint(w, "event: goodbye\ndata: the server is stopping\n\n")
			return
		case <-r.Context().Done():
			return
		}
	}
}

// echo is a WebSocket that sends back what it gets. When the server stops it is
// closed with 1001, going away, and the client's answer to that is waited for.
func (a *app) echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		a.log.Debug().Err(err).Msg("no WebSocket") // the client has its answer
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-httpdrain.Draining(r.Context()):
			_ = conn.Close(websocket.StatusGoingAway, "the server is stopping")
		case <-ended:
		}
	}()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return // closed, by either side
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}
