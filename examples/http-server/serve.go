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

// newServer makes a server for HTTP/1.1, and for HTTP/2 without TLS, which is for
// clients that know of it, such as proxies.
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

// listen comes before serving, so that a port that is taken ends the program
// at its start, with the flag that changes it.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w (-%s chooses another address)", err, flag)
	}
	return l, nil
}

// adminRoutes are for those who run the service: probes, the preStop hook, and the state.
func adminRoutes(b *board) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /state", b)
	mux.Handle("/", kube.Handler(b.coordinator)) // /livez and /prestop
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !b.isReady() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// announce prints the addresses in use, which are not the ones asked for where
// the port was 0.
func announce(log zerolog.Logger, addr, admin net.Addr, db string) {
	log.Info().
		Str("page", "http://"+reachable(addr.String())+"/").
		Str("admin", "http://"+reachable(admin.String())+"/state").
		Str("db", db).
		Int("pid", os.Getpid()).
		Msg("serving: open the page, then press Ctrl-C")
}

// reachable is an address that a client on this machine can use: of a listener on all
// interfaces the local one.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
