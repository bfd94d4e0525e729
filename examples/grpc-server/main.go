// Command grpc-server is a small gRPC service that drains when it is told to stop: it answers
// slow calls, and ends streams with the status OK.
//
// Start it, then start a client in a second terminal, and press Ctrl-C in the first one:
//
//	go run ./examples/grpc-server
//	go run ./examples/grpc-server -client
//
// The client prints what it sees of the drain.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/lastcall-go/lastcall/examples/grpc-server/echo"
	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/kube"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
)

type config struct {
	client       bool
	addr, admin  string
	grace, delay time.Duration
	spread       time.Duration
	callFor      time.Duration
}

func parseConfig(args []string, out io.Writer) (c config, err error) {
	fs := flag.NewFlagSet("grpc-server", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.BoolVar(&c.client, "client", false, "be a client of the server, or of several at -addr a,b,c")
	fs.StringVar(&c.addr, "addr", "127.0.0.1:50051", "`host:port` of the service")
	fs.StringVar(&c.admin, "admin", "127.0.0.1:9091", "`host:port` of the admin listener")
	fs.DurationVar(&c.grace, "grace", 0, "grace period: `time` from the stop to the exit (default 25s, or from $TERMINATION_GRACE_PERIOD_SECONDS)")
	fs.DurationVar(&c.delay, "delay", 0, "`time`, part of the grace period, to go on serving after health has turned to NOT_SERVING")
	fs.DurationVar(&c.spread, "spread", 0, "`time` over which streams are told to end")
	fs.DurationVar(&c.callFor, "call", 100*time.Millisecond, "with -client: the `time` that a call takes")
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	if fs.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	for name, d := range map[string]time.Duration{"grace": c.grace, "delay": c.delay, "spread": c.spread, "call": c.callFor} {
		if d < 0 {
			err = fmt.Errorf("-%s is %v, and must not be negative", name, d)
		}
	}
	if err != nil {
		fmt.Fprintln(out, "grpc-server:", err)
	}
	return c, err
}

func main() {
	cfg, err := parseConfig(os.Args[1:], os.Stderr) // prints its errors
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		os.Exit(2)
	}
	if cfg.client {
		os.Exit(shutdown.Main(func(ctx context.Context) error { return runClient(ctx, cfg, os.Stdout) }))
	}
	c := &shutdown.Coordinator{Grace: cfg.grace, Delay: cfg.delay, Warmup: 30 * time.Second}
	os.Exit(c.Main(func(ctx context.Context) error { return run(ctx, cfg) }))
}

// region run
func run(ctx context.Context, cfg config) error {
	// Handlers run newest first: the telemetry of everything below is flushed last, and /livez is
	// answered until then.
	c := shutdown.FromContext(ctx)
	providers, instrument, err := telemetry(ctx)
	if err != nil {
		return err
	}
	otelshutdown.Register(c, providers)
	adminListener, err := listen("admin", cfg.admin)
	if err != nil {
		return err
	}
	admin := httpdrain.Serve(&http.Server{Handler: kube.Handler(c)}, httpdrain.Listener(adminListener), httpdrain.Linger(0))
	c.Start(admin, shutdown.Name("admin"))

	srv := grpcdrain.NewServer(instrument...)
	ready := health.NewServer()
	healthpb.RegisterHealthServer(srv, ready)
	reflection.Register(srv)
	echo.RegisterEchoServer(srv, new(service))

	l, err := listen("addr", cfg.addr)
	if err != nil {
		return err
	}
	fmt.Printf("serving on %s, admin on %s; press Ctrl-C to stop\n", l.Addr(), adminListener.Addr())
	var g group.Group
	g.Go("grpc", grpcdrain.Serve(srv, grpcdrain.Listener(l), grpcdrain.Health(ready), grpcdrain.Spread(cfg.spread)),
		group.Warmup(0)) // the program is ready when the server listens
	return g.Run(ctx)
}

// endregion

// listen opens a listener. Its error names the flag.
func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w (use -%s to listen on another address)", err, flag)
	}
	return l, nil
}
