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

// The request that is in flight when the stop begins is answered, and told that the
// connection will be closed.
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

// A stream ends when the server is told to stop, so that its client asks again elsewhere.
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

// A gauge for a metrics library.
func ExampleMonitor() {
	var m httpdrain.Monitor
	task := httpdrain.Serve(&http.Server{Addr: ":8080"}, httpdrain.Watch(&m))
	_ = task

	fmt.Println(m.Stats().Requests)
	// Output: 0
}
