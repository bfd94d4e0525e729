package httpdrain_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/emulated"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

func TestCannotStart(t *testing.T) {
	taken := listen(t)
	defer taken.Close()
	missing := filepath.Join(emulated.TempDir(t), "cert.pem")
	broken := filepath.Join(emulated.TempDir(t), "broken.pem")
	if err := os.WriteFile(broken, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		task func(context.Context) error
		want []string
	}{
		{"port in use", httpdrain.Serve(&http.Server{Addr: taken.Addr().String()}), []string{"httpdrain: listen tcp " + taken.Addr().String()}},
		{"no certificate", httpdrain.Serve(&http.Server{Addr: "127.0.0.1:0"}, httpdrain.TLSFiles(missing, missing)), []string{"httpdrain: certificate: open", "cert.pem"}},
		{"broken certificate", httpdrain.Serve(&http.Server{Addr: "127.0.0.1:0"}, httpdrain.TLSFiles(broken, broken)), []string{"httpdrain: certificate: tls: failed to find any PEM data"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.task(context.Background())
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want %q in it", err, want)
				}
			}
		})
	}
}

// After a call of the server's own Shutdown or Close the task returns nil.
func TestServerClosed(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(*http.Server) error
	}{
		{"Shutdown", func(srv *http.Server) error { return srv.Shutdown(context.Background()) }},
		{"Close", (*http.Server).Close},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := &http.Server{Handler: hello}
			s := start(t, srv)
			c := s.dial()
			c.get("/")
			c.answer()
			if err := tt.stop(srv); err != nil {
				t.Error(err)
			}
			if err := s.result(); err != nil {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// A server has one task, which runs once. A second task fails, and the first is not affected.
func TestServerOfAnotherTask(t *testing.T) {
	const want = "httpdrain: another task serves this server, or has served it; each task needs a server of its own, made in the task if that is called again"
	srv := &http.Server{Handler: hello}
	s := start(t, srv)
	awaitClose(t, s, false) // it has begun
	l := listen(t)
	if err := httpdrain.Serve(srv, httpdrain.Listener(l))(context.Background()); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("a second task: %v, want %s", err, want)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("the listener of the failed task is open")
	}
	awaitClose(t, s, false)
	s.drained()
	if err := httpdrain.Serve(srv, httpdrain.Listener(listen(t)))(context.Background()); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("after the end of the first task: %v, want %s", err, want)
	}
}

// A task that could not listen may be run again.
func TestServeAfterAFailure(t *testing.T) {
	taken := listen(t)
	defer taken.Close()
	srv := &http.Server{Addr: taken.Addr().String(), Handler: hello, ErrorLog: log.New(io.Discard, "", 0)}
	task := httpdrain.Serve(srv)
	if err := task(context.Background()); err == nil {
		t.Fatal("the task did not fail on a port that is in use")
	}
	taken.Close()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- task(ctx) }()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", srv.Addr)
		if err == nil {
			c := talk(t, c)
			c.get("/")
			if _, body := c.answer(); body != "hello" {
				t.Errorf("body = %q", body)
			}
			c.conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Task.Shutdown stops a single task of a group within the deadline of its context.
func TestShutdownOfOneTask(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	s := start(t, &http.Server{Handler: g})
	c := s.dial()
	c.get("/")
	g.wait(t)
	// Half a second is between the task's deadline and the end of ctx. The drain would use most of it
	// to wait for a handler that does not return, and a busy machine could use the rest.
	go func() {
		_, _ = c.r.ReadByte() // the connection has been closed
		g.release()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := s.task.Shutdown(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 request cut short") {
		t.Errorf("Shutdown() = %v, want an error with 1 request cut short", err)
	}
	_ = s.result()
}

func TestMisuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func()
		want string
	}{
		{"Serve", func() { httpdrain.Serve(nil) }, "httpdrain: Serve was given a nil server, at httpdrain/serve_test.go:"},
		{"Listener", func() { httpdrain.Listener(nil) }, "httpdrain: Listener was given nil, at httpdrain/serve_test.go:"},
		{"Linger", func() { httpdrain.Linger(-1) }, "httpdrain: Linger(-1ns) is negative, at httpdrain/serve_test.go:"},
		{"Watch", func() { httpdrain.Watch(nil) }, "httpdrain: Watch was given nil, at httpdrain/serve_test.go:"},
		{"Readiness", func() { httpdrain.Readiness(nil) }, "httpdrain: Readiness was given nil, at httpdrain/serve_test.go:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			tt.call()
		})
	}
}
