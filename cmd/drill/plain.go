package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// plainEnv makes this program the control instead of the drill.
const plainEnv = "LASTCALL_DRILL_PLAIN"

// plain is the control: an http.Server that stops as its documentation says, with Shutdown and a time
// limit, and with RegisterOnShutdown for its WebSockets. It does not use this library. It returns the
// exit status.
func plain(args []string) int {
	fs := flag.NewFlagSet("plain", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:8080", "`host:port` to serve on")
	executed := fs.String("executed", os.DevNull, "`file` for the ids of requests that were executed")
	if fs.Parse(args) != nil {
		return 2
	}
	if err := servePlain(*addr, *executed); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		return 1
	}
	return 0
}

func servePlain(addr, executed string) error {
	record, err := os.OpenFile(executed, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer record.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	var stopping atomic.Bool
	var hub plainHub
	hub.leaving, hub.leave = context.WithCancel(context.Background())
	mux := plainRoutes(record, &stopping)
	mux.Handle("GET /ws", &hub)
	srv := &http.Server{Addr: addr, Handler: mux, Protocols: new(http.Protocols)}
	srv.RegisterOnShutdown(hub.leave)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan error, 1)
	go func() { served <- srv.ListenAndServe() }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = srv.Shutdown(ctx)
	hub.wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the other requests are cut off, as in many programs
	}
	return err
}

func plainRoutes(record io.Writer, stopping *atomic.Bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		fmt.Fprintln(record, r.Header.Get("X-Request-Id"))
		fmt.Fprintln(w, "done")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if stopping.Load() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		for {
			fmt.Fprintln(w, time.Now().Format(time.RFC3339Nano))
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
	})
	return mux
}

// A plainHub has WebSockets that all leave when leaving ends.
type plainHub struct {
	leaving context.Context
	leave   func()
	open    sync.WaitGroup
}

func (h *plainHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.open.Add(1)
	defer h.open.Done()
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	defer context.AfterFunc(h.leaving, func() { _ = ws.Close(websocket.StatusGoingAway, "the server is stopping") })()
	for err == nil {
		_, _, err = ws.Read(context.Background())
	}
}

// wait returns when all WebSockets have gone, or when ctx ends.
func (h *plainHub) wait(ctx context.Context) {
	gone := make(chan struct{})
	go func() { h.open.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-ctx.Done():
	}
}
