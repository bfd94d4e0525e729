package bad

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"example.com/signals/helper"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
)

func interruptOnly(srv *http.Server) {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, os.Interrupt) // want `signals: signal.Notify catches an interrupt and not SIGTERM`
	go srv.ListenAndServe()
	<-sigs
}

func context0(srv *http.Server) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGHUP) // want `signals: signal.NotifyContext catches an interrupt and not SIGTERM`
	defer stop()
	go func() { _ = srv.ListenAndServe() }()
	<-ctx.Done()
}

func grpcServer(s *grpc.Server, l net.Listener) {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, []os.Signal{os.Interrupt, syscall.SIGQUIT}...) // want `signals: signal.Notify catches an interrupt and not SIGTERM`
	go func() { <-sigs; s.Stop() }()
	_ = s.Serve(l)
}

// The helper serves.
func helperServes(srv *http.Server) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // want `signals: signal.NotifyContext catches an interrupt and not SIGTERM`
	defer stop()
	go helper.Serve(srv)
	<-ctx.Done()
}

// The helper catches.
func helperCatches(srv *http.Server) {
	ctx, stop := helper.Context() // want `signals: helper.Context catches an interrupt and not SIGTERM \(signal.NotifyContext\)`
	defer stop()
	go srv.ListenAndServe()
	<-ctx.Done()
}

func ownHelper(srv *http.Server) {
	go srv.ListenAndServe()
	wait()
}

func wait() {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, os.Interrupt) // want `signals: signal.Notify catches an interrupt and not SIGTERM`
	<-sigs
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt) // want `signals: signal.NotifyContext catches an interrupt and not SIGTERM`
	defer stop()
	go http.ListenAndServe(":80", http.NotFoundHandler()) // want `packageserve:`
	<-ctx.Done()
	return nil
}}
