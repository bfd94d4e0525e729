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
	"sync/atomic"
	"syscall"
	"time"
)

// plainEnv makes this program the control instead of the drill.
const plainEnv = "LASTCALL_DRILL_PLAIN"

// plain is the control: an http.Server that stops as its documentation says, with Shutdown and a time
// limit. It does not use this library. It returns the exit status.
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
	srv := &http.Server{Addr: addr, Handler: plainRoutes(record, &stopping), Protocols: new(http.Protocols)}
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
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // the other requests are cut off, as in many programs
	}
	return err
}

func plainRoutes(record io.Writer, stopping *atomic.Bool) http.Handler {
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
