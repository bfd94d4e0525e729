package kube_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/kube"
)

// The preStop hook makes the program not ready. It stays alive, and goes on serving.
func Example() {
	log := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &log}
	admin := httptest.NewServer(kube.Handler(c)) // in a program: see PreStopCommand
	defer admin.Close()

	c.Run(context.Background(), func(context.Context) error {
		for _, path := range []string{"/readyz", "/prestop", "/readyz", "/livez"} {
			res, err := admin.Client().Get(admin.URL + path)
			if err != nil {
				return err
			}
			res.Body.Close()
			fmt.Println(path, res.StatusCode)
		}
		return nil
	})
	// Output:
	// /readyz 200
	// /prestop 200
	// /readyz 503
	// /livez 200
}

// The program is its own preStop hook: a pod runs it as "app prestop". The admin listener with
// the probes and the hook is started first, so it stops last.
func ExamplePreStopCommand() {
	if len(os.Args) > 1 && os.Args[1] == "prestop" {
		if err := kube.PreStopCommand("http://127.0.0.1:9090/prestop"); err != nil {
			fmt.Fprintln(os.Stderr, err) // the kubelet reports it, and then sends SIGTERM
			os.Exit(1)
		}
		os.Exit(0)
	}
	c := &shutdown.Coordinator{Delay: 5 * time.Second}
	c.Start(httpdrain.Serve(&http.Server{Addr: ":9090", Handler: kube.Handler(c)}), shutdown.Name("admin"))
	os.Exit(c.Main(func(ctx context.Context) error {
		<-ctx.Done() // serve
		return nil
	}))
}
