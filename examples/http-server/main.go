// Command http-server is a small HTTP service that drains when it is told to
// stop: it answers slow requests, ends streams with a last line, and keeps each
// order that it has confirmed.
//
// Start it, open the page at the address that it prints, start some slow work,
// and press Ctrl-C:
//
//	go run ./examples/http-server
//
// The order of the lines in run is the order of the stop, reversed: first the
// HTTP server stops, then the database is closed, and last the admin listener
// stops. Until then the admin listener shows how the drain goes on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/kube"
	"github.com/lastcall-go/lastcall/shutdown/sdnotify"
)

// maxStart is how long the start may take, besides the time that it is told to take.
const maxStart = 30 * time.Second

func main() {
	cfg, err := parseConfig(os.Args[1:], os.Getenv, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "http-server:", err)
		os.Exit(2)
	}

	log, terminal := newLogger(os.Stderr)
	c := &shutdown.Coordinator{Grace: cfg.grace, Delay: cfg.delay, Warmup: cfg.warmup + maxStart}
	if terminal { // the Coordinator's own log also prints the timeline there
		cfg.terminal = os.Stderr
	} else {
		c.Logger = &log
	}
	switch cfg.command {
	case "plan":
		os.Exit(status(printPlan(c, cfg.admin, os.Stdout)))
	case "prestop":
		os.Exit(status(kube.PreStopCommand("http://" + reachable(cfg.admin) + "/prestop")))
	}
	sdnotify.Attach(c)
	os.Exit(c.Main(func(ctx context.Context) error { return run(ctx, cfg, log) }))
}

func run(ctx context.Context, cfg config, log zerolog.Logger) error {
	c := shutdown.FromContext(ctx)
	b := &board{coordinator: c, stop: ctx.Done()}

	// Handlers run newest first, so the admin listener, which is set up first, stops last.
	adminListener, err := listen(ctx, "admin", cfg.admin)
	if err != nil {
		return err
	}
	admin := newServer(adminRoutes(b), log)
	// Linger is 0: probes and the page repeat their requests, so none of them matters.
	c.Start(httpdrain.Serve(admin, httpdrain.Listener(adminListener), httpdrain.Linger(0)), shutdown.Name("admin"))

	db, err := openStore(ctx, cfg.db)
	if err != nil {
		return err
	}
	c.Register(shutdown.Closer(db), shutdown.Name("db"))

	listener, err := listen(ctx, "addr", cfg.addr)
	if err != nil {
		return err
	}
	app := &app{board: b, store: db, log: log, admin: adminListener.Addr()}
	srv := newServer(app.routes(), log)
	announce(cfg, log, listener.Addr(), adminListener.Addr())

	// The program is ready when both tasks have started, the second by its end. Until then the page
	// says so, and orders are refused.
	var g group.Group
	serve := httpdrain.Serve(srv, httpdrain.Listener(listener), httpdrain.Spread(cfg.spread), httpdrain.Watch(&b.monitor))
	g.Go("http", serve, group.Warmup(maxStart))
	g.Go("fill", func(ctx context.Context) error { return app.fill(ctx, cfg.warmup) },
		group.Warmup(0), group.MayFinish())
	return g.Run(ctx)
}
