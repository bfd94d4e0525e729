package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// A long-lived response has to end by itself when the server stops, since only
// its handler knows how to end it cleanly. httpdrain.Draining tells the handler
// when: as soon as the server stops or, with -spread, at a moment of the
// connection's own. httpdrain closes the connection of a handler that does not
// end before the server's deadline.

// events sends the state twice a second, as server-sent events. The last event
// says that the server stops; the client then reconnects, to another server.
func (a *app) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		data, err := json.Marshal(a.state(time.Now()))
		if err != nil {
			a.log.Error().Err(err).Msg("cannot encode the state")
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

// echo is a WebSocket that sends each message back. When the server stops, echo
// closes it with status 1001, going away, and waits for the client's close frame.
func (a *app) echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		a.log.Debug().Err(err).Msg("not a WebSocket request") // Accept has answered it
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
			return // one of the two sides has closed it
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}
