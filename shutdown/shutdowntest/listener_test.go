package shutdowntest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A server is stopped 100 ms after the start of a request that takes exactly a second.
func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "done")
		})}
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
			return g.Run(ctx)
		})
		answer := make(chan string)
		go func() {
			res, err := l.Client().Post("http://server/", "text/plain", strings.NewReader("x"))
			if err != nil {
				answer <- err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			answer <- string(b)
		}()
		time.Sleep(100 * ms)
		p.Signal(syscall.SIGTERM)
		if got := <-answer; got != "done" {
			t.Errorf("response %q, want done", got)
		}
		p.Clean()
		if got, want := p.Wait().Took, 900*ms; got != want {
			t.Errorf("the stop took %v, want %v", got, want)
		}
		if _, err := l.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("DialContext = %v, want net.ErrClosed", err)
		}
	})
}

func TestListenerWithoutAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.DialContext(ctx, "", "")
		var op *net.OpError
		if !errors.As(err, &op) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DialContext = %v, want a *net.OpError of DeadlineExceeded", err)
		}
		time.AfterFunc(time.Second, func() { _ = l.Close(); _ = l.Close() })
		if _, err := l.DialContext(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("DialContext = %v, want net.ErrClosed", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept = %v, want net.ErrClosed", err)
		}
		if got := l.Addr().Network() + " " + l.Addr().String(); got != "memory memory" {
			t.Errorf("Addr = %q", got)
		}
	})
}
