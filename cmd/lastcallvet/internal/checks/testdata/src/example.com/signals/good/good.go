package good

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// A tool that does not serve: Ctrl-C is all that it has to know.
func tool() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	<-ctx.Done()
}

func reload(srv *http.Server) {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, syscall.SIGHUP)
	go srv.ListenAndServe()
	for range sigs {
		println("reload")
	}
}

// They are passed on.
func forward(cmd *exec.Cmd) {
	sigs := make(chan os.Signal, 10)
	signal.Notify(sigs)
	for s := range sigs {
		_ = cmd.Process.Signal(s)
	}
}

func filter() {
	sigs := make(chan os.Signal, 10)
	signal.Notify(sigs)
	for {
		if s := <-sigs; s == os.Interrupt || s == syscall.SIGTERM {
			return
		}
	}
}

func filterInSelect(done chan struct{}) {
	sigs := make(chan os.Signal, 10)
	signal.Notify(sigs)
	for {
		select {
		case s := <-sigs:
			if s != syscall.SIGURG {
				return
			}
		case <-done:
			return
		}
	}
}

func handedOn(watch func(chan os.Signal)) {
	sigs := make(chan os.Signal, 10)
	signal.Notify(sigs)
	watch(sigs)
}

func given(list []os.Signal, srv *http.Server) {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, list...)
	go srv.ListenAndServe()
	<-sigs
}

// Buffered enough.
func buffered(n int) {
	sigs := make(chan os.Signal, n)
	signal.Notify(sigs, syscall.SIGUSR1)
	<-sigs
}

func channelOfCaller(sigs chan os.Signal) { signal.Notify(sigs, syscall.SIGUSR1) }

// Not a call that catches.
func ignored() {
	signal.Ignore(os.Interrupt)
	signal.Reset(os.Interrupt)
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	<-ctx.Done()
	return nil
}}

// An ordinary channel.
func other() {
	c := make(chan struct{})
	go close(c)
	<-c
}

// The command that catches is not the one that serves.
func commands(name string, srv *http.Server) {
	if name == "serve" {
		_ = srv.ListenAndServe()
		return
	}
	tool()
}
