package recipes_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	runtimepprof "runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A backend has an admin listener beside what it serves.
type backend struct {
	admin *http.Server // its Addr is on the loopback interface, or not reachable from outside
	serve func(context.Context) error
}

// region admin
func (b *backend) run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/readyz", httpdrain.Readiness(shutdown.FromContext(ctx)))
	b.admin.Handler = mux

	// It is started first, so it ends last, after main and the other handlers. A profile that is
	// being taken may last 30 s: without the Timeout it would use up the grace period.
	shutdown.Start(httpdrain.Serve(b.admin), shutdown.Name("admin"), shutdown.Timeout(2*time.Second))

	var g group.Group
	g.Go("http", b.serve)
	return g.Run(ctx)
}

// endregion

// The admin listener answers until the other handlers have run. A profile that is taken then
// ends at the Timeout, and its client gets what was measured so far.
func TestAdmin(t *testing.T) {
	addr := make(chan string, 1)
	b := &backend{
		admin: &http.Server{Addr: "127.0.0.1:0", BaseContext: func(l net.Listener) context.Context {
			addr <- l.Addr().String()
			return context.Background()
		}},
		serve: func(ctx context.Context) error { <-ctx.Done(); return nil },
	}
	closing := make(chan int, 1)
	c := shutdowntest.New(t)
	c.Grace = time.Minute
	var url string
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	p := shutdowntest.Start(t, c, func(ctx context.Context) error {
		err := b.run(ctx)
		shutdown.Register(func(context.Context) error {
			res, err := client.Get(url + "/readyz")
			if err != nil {
				return err
			}
			closing <- res.StatusCode
			return res.Body.Close()
		}, shutdown.Name("db"))
		return err
	})
	url = "http://" + <-addr
	profile := make(chan error, 1)
	go func() {
		res, err := client.Get(url + "/debug/pprof/profile?seconds=30")
		if err != nil {
			profile <- err
			return
		}
		_, err = io.Copy(io.Discard, res.Body)
		profile <- errors.Join(err, res.Body.Close())
	}()
	waitForGoroutine(t, "net/http/pprof.Profile")
	p.Signal(syscall.SIGTERM)
	report := p.Wait()
	p.Order("main", "http", "db", "admin")
	if report.Took > 20*time.Second {
		t.Errorf("the stop took %v, with a profile of 30 s in flight", report.Took)
	}
	if code := <-closing; code != http.StatusServiceUnavailable {
		t.Errorf("readiness while handlers run: %d, want 503", code)
	}
	t.Log("profile:", <-profile, "report:", report.Err())
}

// waitForGoroutine waits until a goroutine is in the function.
func waitForGoroutine(t *testing.T, function string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		var stacks strings.Builder
		if err := runtimepprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stacks.String(), function) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("no goroutine is in %s after 30 s", function)
		}
	}
}
