package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// testServer names what serveTest does on SIGTERM:
//
//	polite  says Connection: close, and ends when the last connection has gone
//	quits   the same on SIGQUIT
//	fails   ends at once with status 3
//	deaf    nothing
const testServer = "LASTCALL_DRILL_TEST_SERVER"

func serveTest(kind string) {
	var open atomic.Int64
	var stopping atomic.Bool
	srv := &http.Server{
		Addr: "127.0.0.1:" + os.Getenv("PORT"),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if stopping.Load() {
				w.Header().Set("Connection", "close")
			}
			fmt.Println(r.Header.Get("X-Request-Id"))
		}),
	}
	gone := make(chan struct{}, 1)
	srv.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			if open.Add(-1) == 0 && stopping.Load() {
				select {
				case gone <- struct{}{}:
				default:
				}
			}
		}
	}
	term := make(chan os.Signal, 1)
	if kind == "quits" {
		signal.Notify(term, syscall.SIGQUIT)
	} else {
		signal.Notify(term, syscall.SIGTERM)
	}
	go func() { fmt.Fprintln(os.Stderr, srv.ListenAndServe()) }()
	for range term {
		switch kind {
		case "polite", "quits":
			stopping.Store(true)
			<-gone
			os.Exit(0)
		case "fails":
			os.Exit(3)
		}
	}
}
