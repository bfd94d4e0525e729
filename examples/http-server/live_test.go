package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestStreamsEndWithAGoodbye(t *testing.T) {
	for _, tt := range []struct{ path, first, last string }{
		{"/stream?for=1m", "1 ready", "goodbye: the server is stopping\n"},
		{"/events", "id: 1", "event: goodbye\ndata: the server is stopping\n\n"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			s := startInProcess(t, time.Minute, 0)
			res, err := s.client.Get(s.page + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body := bufio.NewReader(res.Body)
			if first, err := body.ReadString('\n'); err != nil || !strings.HasPrefix(first, tt.first) {
				t.Fatalf("first line %q, %v, want %q", first, err, tt.first)
			}
			if st := s.state(t); st.InFlight != 1 {
				t.Errorf("%d requests in flight, want 1", st.InFlight)
			}
			s.coordinator.Stop(nil)
			rest, err := io.ReadAll(body)
			if err != nil || !strings.HasSuffix(string(rest), tt.last) {
				t.Errorf("rest %q, %v, want %q and nil", rest, err, tt.last)
			}
			if r := s.report(); r.ExitCode() != 0 {
				t.Errorf("exit code %d, want 0:\n%v", r.ExitCode(), r)
			}
		})
	}
}

func TestWebSocketIsClosedWithGoingAway(t *testing.T) {
	s := startInProcess(t, time.Minute, 0)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, s.page+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(ctx); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v, want the echo", got, err)
	}

	s.coordinator.Stop(nil)
	_, _, err = conn.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
		t.Errorf("%v, want close status 1001", err)
	}
	r := s.report()
	if r.ExitCode() != 0 || !strings.Contains(r.String(), "1 hijacked connection closed") {
		t.Errorf("exit code %d, want 0 and the connection in the timeline:\n%v", r.ExitCode(), r)
	}
}

func TestEchoRefusesPlainRequests(t *testing.T) {
	a, _ := newApp(t)
	if w := a.request(t, "GET", "/echo", ""); w.Code != 426 {
		t.Errorf("GET /echo = %d, want 426, upgrade required", w.Code)
	}
}

// With -spread each connection is told at a moment of its own, and the state says how many have left.
// The drain ends with the last connection, not with the window.
func TestConnectionsLeaveOneAfterTheOther(t *testing.T) {
	const sockets, window = 10, 15 * time.Second
	s := startInProcess(t, time.Minute, 0, func(c *config) { c.spread = window })
	ctx, leave := context.WithTimeout(t.Context(), patience)
	defer leave()
	closed := make(chan websocket.StatusCode, sockets)
	for range sockets {
		conn, _, err := websocket.Dial(ctx, s.page+"/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		go func() {
			_, _, err := conn.Read(ctx)
			closed <- websocket.CloseStatus(err)
		}()
	}
	if st := s.state(t); st.Open != sockets || st.Gone != 0 || st.Untold != 0 {
		t.Errorf("before the stop: %+v, want %d connections open", st, sockets)
	}
	s.coordinator.Stop(nil)
	if code := <-closed; code != websocket.StatusGoingAway {
		t.Errorf("close status %v, want 1001", code)
	}
	st := s.until(t, "seen leaving", func(st state) bool { return st.Gone > 0 })
	if st.Gone+st.Open != sockets || st.Untold == 0 {
		t.Errorf("after the first has left: %+v, want others to be told", st)
	}
	leave()
	r := s.report()
	if r.ExitCode() != 0 || !strings.Contains(r.String(), "10 connections gone") {
		t.Errorf("exit code %d, want 0 and 10 connections gone:\n%v", r.ExitCode(), r)
	}
	t.Logf("the stop took %v", r.Took)
}
