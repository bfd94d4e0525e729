package kube_test

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/kube"
)

// The program serves its probes and its hook, and is the hook itself when it is called as
// "app prestop".
func Example() {
	if len(os.Args) > 1 && os.Args[1] == "prestop" {
		if kube.PreStopCommand("http://127.0.0.1:9090/prestop") != nil {
			os.Exit(1) // the kubelet tells of it, and sends SIGTERM
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
