package main

import (
	"context"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown/kube"
)

// newServer returns a server for HTTP/1.1 and for HTTP/2 without TLS, which some
// proxies speak to their backends.
func newServer(h http.Handler, log zerolog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          stdlog.New(log.With().Str("level", "warn").Logger(), "", 0),
	}
}

// listen opens a listener. run calls it before anything is served, so that a
// port in use ends the program at once, with an error that names the flag.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w (use -%s to listen on another address)", err, flag)
	}
	return l, nil
}

// adminRoutes serves the probes, the preStop hook and the state.
func adminRoutes(b *board) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /state", b)
	mux.Handle("/", kube.Handler(b.coordinator)) // /readyz, /livez and /prestop
	return mux
}

// announce prints the addresses of the listeners. They differ from the flags
// where the port is 0. On a terminal the page's address comes first, on a line
// of its own.
func announce(cfg config, log zerolog.Logger, addr, admin net.Addr) {
	page := "http://" + reachable(addr.String()) + "/"
	if cfg.terminal != nil {
		fmt.Fprintln(cfg.terminal, page)
	}
	log.Info().
		Str("page", page).
		Str("admin", "http://"+reachable(admin.String())+"/state").
		Str("db", cfg.db).
		Int("pid", os.Getpid()).
		Msg("serving; open the page, start some work, then press Ctrl-C here")
}

// reachable returns an address for clients on this machine. For a listener on
// all interfaces it is localhost.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
