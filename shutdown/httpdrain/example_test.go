package httpdrain_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// A stop is requested while a request is in flight. The request is answered, and its response
// tells the client to close the connection.
func ExampleServe() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	begun := make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-httpdrain.Draining(r.Context())
		_, _ = io.WriteString(w, "done")
	})}

	ctx, stop := context.WithCancel(context.Background())
	go func() { <-begun; stop() }() // in a service: SIGTERM

	answered := make(chan struct{})
	go func() {
		defer close(answered)
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%s, close: %v\n", body, res.Close)
	}()

	var g group.Group
	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
	err = g.Run(ctx)
	<-answered
	fmt.Println("stopped:", err)
	// Output:
	// done, close: true
	// stopped: <nil>
}

// serveMetrics stands for a function of a library that listens and serves, such as that of the
// exporter-toolkit of Prometheus.
func serveMetrics(srv *http.Server) error { return srv.ListenAndServe() }

// A library serves, and this package drains.
func ExampleAttach() {
	ctx, stop := context.WithCancel(context.Background())
	// region attach
	srv := &http.Server{Addr: "127.0.0.1:0", Handler: http.DefaultServeMux}
	var g group.Group
	g.Add("metrics", func(context.Context) error { return serveMetrics(srv) }, httpdrain.Attach(srv))
	// endregion
	stop() // in a service: SIGTERM
	fmt.Println("stopped:", g.Run(ctx))
	// Output:
	// stopped: <nil>
}

// A stream ends when the server is told to stop. Its client then reconnects, to another server.
func ExampleDraining() {
	_ = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case at := <-tick.C:
				fmt.Fprintf(w, "data: %v\n\n", at)
			case <-httpdrain.Draining(r.Context()):
				fmt.Fprint(w, "event: bye\ndata:\n\n")
				return
			case <-r.Context().Done(): // the client has gone
				return
			}
			if rc.Flush() != nil {
				return
			}
		}
	})
}

// A Monitor has the numbers for metrics.
func ExampleMonitor() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var m httpdrain.Monitor
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		fmt.Println("requests in flight:", m.Stats().Requests)
	})}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			panic(err)
		}
		res.Body.Close()
	}()

	var g group.Group
	g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l), httpdrain.Watch(&m)))
	fmt.Println("stopped:", g.Run(ctx))
	// Output:
	// requests in flight: 1
	// stopped: <nil>
}
