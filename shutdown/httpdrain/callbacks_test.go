package httpdrain_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A callback deregisters the instance with one HTTP request. The connection of that request stays
// idle, and two goroutines of net/http stay with it.
func TestACallbackThatMakesARequest(t *testing.T) {
	registry := httptest.NewServer(hello)
	defer registry.Close()
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	called := make(chan error, 1)
	srv := &http.Server{Handler: hello}
	srv.RegisterOnShutdown(func() {
		res, err := client.Post(registry.URL, "text/plain", strings.NewReader("bye"))
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			err = errors.Join(err, res.Body.Close())
		}
		called <- err
	})
	s := start(t, srv)
	if took := s.drained(); took > patience/3 {
		t.Errorf("the drain took %v", took)
	}
	if err := <-called; err != nil {
		t.Error(err)
	}
}

// The drain waits for callbacks as long as they take. What they have started has a short time when
// they have returned, and is named.
func TestWhatCallbacksLeaveRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		srv := &http.Server{Handler: hello}
		release := make(chan struct{})
		var returned atomic.Bool // nothing orders it and the end of the drain for the race detector
		srv.RegisterOnShutdown(func() {
			for range 7 {
				go waits(release)
			}
			time.Sleep(4500 * time.Millisecond)
			returned.Store(true)
		})
		p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: 20 * time.Second}, httpdrain.Serve(srv, httpdrain.Listener(l)))
		p.Stop(nil)
		report := p.Wait()
		close(release)
		main := report.Steps[0]
		if !returned.Load() || main.Took < 5*time.Second || main.Took > 7*time.Second || main.Err != nil {
			t.Errorf("returned %t; the server took %v, and returned %v", returned.Load(), main.Took, main.Err)
		}
		if want := "callbacks have left 7 goroutines: httpdrain_test.waits"; !strings.Contains(main.Status, want) {
			t.Errorf("the status is %q, want %q", main.Status, want)
		}
	})
}

func waits(release <-chan struct{}) { <-release }
