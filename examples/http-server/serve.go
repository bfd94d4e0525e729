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

	"github.com/lastcall-go/lastcall/group"
)

func newServer(h http.Handler, log zerolog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
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

// serve returns the execute half of an actor; srv.Shutdown is the other. Its
// context outlives the request to stop and ends a little before the server's
// time is up, so it is the right parent for requests: work in hand goes on,
// and what takes too long is told before it is cut.
func serve(srv *http.Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		srv.BaseContext = func(net.Listener) context.Context { return ctx }
		return srv.Serve(l)
	}
}

// serveAdmin is a task of its own rather than a member of the main group,
// whose tasks all end before the first handler runs.
func serveAdmin(srv *http.Server, l net.Listener) func(context.Context) error {
	var g group.Group
	g.Add("admin-listener", serve(srv, l), srv.Shutdown)
	return g.Run
}

// adminRoutes are for those who run the service: probes and the state.
func adminRoutes(b *board) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /state", b)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
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
		Str("page", "http://"+reachable(addr)+"/").
		Str("admin", "http://"+reachable(admin)+"/state").
		Str("db", db).
		Int("pid", os.Getpid()).
		Msg("serving: open the page, then press Ctrl-C")
}

// reachable is an address that a browser can open: of a listener on all
// interfaces the one of this machine.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
}
