package shutdowntest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// slowHandler returns a handler that takes d.
func slowHandler(d time.Duration) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(d) })
}

// A server that drains loses no request of a Load in a bubble.
func TestLoadInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext, Clients: 20, Before: 2000, Pause: 5 * ms}
		srv := &http.Server{Handler: load.Handler(slowHandler(3 * ms))}
		p := shutdowntest.Start(t, nil, httpdrain.Serve(srv, httpdrain.Listener(l)))
		tally := load.Run(t, func() { p.Stop(nil); p.Wait() })
		if tally.Answered < 2000 || tally.Sent != tally.Answered || tally.Refused != 20 {
			t.Errorf("Run() = %+v", tally)
		}
		p.Clean()
		p.NothingLeaked()
	})
}

// A server that is closed loses its requests in progress. It has executed some of them.
func TestLoadFindsLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		l := shutdowntest.Listen(t)
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext, Clients: 20, Before: 200}
		srv := &http.Server{Handler: load.Handler(slowHandler(20 * ms))}
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { _ = srv.Close() })
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		tally := load.Run(r, func() { p.Stop(nil); p.Wait(); time.Sleep(time.Second) })
		if tally.Lost == 0 || tally.LostExecuted == 0 || tally.Sent != tally.Answered+tally.Lost {
			t.Errorf("Run() = %+v", tally)
		}
		r.want(t, "were lost")
		if !strings.Contains(r.failures[0], ", and was executed") {
			t.Errorf("%s", r.failures[0])
		}
	})
}

func TestLoadCountsServerErrorsAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		l := shutdowntest.Listen(t)
		var stopped atomic.Bool
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if stopped.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})}
		p := shutdowntest.Start(t, nil, httpdrain.Serve(srv, httpdrain.Listener(l)))
		load := shutdowntest.Load{
			URL: "http://server/", Dial: l.DialContext, Clients: 1, Before: 3,
			Executed: func(string) bool { return true },
		}
		tally := load.Run(r, func() {
			stopped.Store(true)
			time.Sleep(10 * ms)
			p.Stop(nil)
			p.Wait()
		})
		if tally.Lost == 0 || tally.LostExecuted != tally.Lost {
			t.Errorf("Run() = %+v", tally)
		}
		r.want(t, "503 Service Unavailable, and was executed")
	})
}

// If the server keeps serving after stop, the clients end after 30 s, and lose no request.
func TestLoadEndsWhileAnotherServerListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext, Clients: 3, Before: 10, Pause: 100 * ms}
		p := shutdowntest.Start(t, nil, httpdrain.Serve(&http.Server{Handler: slowHandler(200 * ms)}, httpdrain.Listener(l)))
		tally := load.Run(t, func() {})
		if tally.Answered != tally.Sent || tally.Refused != 0 {
			t.Errorf("Run() = %+v", tally)
		}
		p.Stop(nil)
		p.Clean()
	})
}

// Over TLS requests are HTTP/1.1, even if the server offers HTTP/2. A client that does not trust the
// server sends no request.
func TestLoadOverTLS(t *testing.T) {
	known := httptest.NewUnstartedServer(nil)
	known.EnableHTTP2 = true
	known.StartTLS() // creates the certificate
	ours, theirs := known.TLS, known.Client().Transport.(*http.Transport).TLSClientConfig
	known.Close()
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		srv := &http.Server{TLSConfig: ours, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.TLS == nil || r.Proto != "HTTP/1.1" {
				t.Errorf("request with %s, TLS %v", r.Proto, r.TLS)
			}
		})}
		p := shutdowntest.Start(t, nil, httpdrain.Serve(srv, httpdrain.Listener(l)))
		r := new(recorder)
		slowly := func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(time.Second) // a handshake takes no time in a bubble: without the pause the client would retry all the time
			return l.DialContext(ctx, network, address)
		}
		untrusting := shutdowntest.Load{URL: "https://example.com/", Dial: slowly, TLS: &tls.Config{RootCAs: x509.NewCertPool()}, Clients: 1}
		if tally, want := untrusting.Run(r, func() {}), (shutdowntest.Tally{Refused: 1}); tally != want {
			t.Errorf("Run() = %+v, want %+v", tally, want)
		}
		r.want(t, "certificate signed by unknown authority")

		load := shutdowntest.Load{URL: "https://example.com/", Dial: l.DialContext, TLS: theirs}
		tally := load.Run(t, func() { p.Stop(nil); p.Wait() })
		if tally.Answered < 100 || tally.Sent != tally.Answered {
			t.Errorf("Run() = %+v", tally)
		}
		p.Clean()
	})
}

// A redirect counts as a response, and is not followed.
func TestLoadDoesNotFollowRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext, Clients: 2, Before: 10}
		mux := http.NewServeMux()
		mux.Handle("/", load.Handler(http.RedirectHandler("/elsewhere", http.StatusSeeOther)))
		mux.Handle("/elsewhere", load.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("%s %s", r.Method, r.URL)
		})))
		p := shutdowntest.Start(t, nil, httpdrain.Serve(&http.Server{Handler: mux}, httpdrain.Listener(l)))
		load.Run(t, func() { p.Stop(nil); p.Wait() })
		p.Clean()
	})
}

// Without a server, all connections are refused.
func TestLoadWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		l := shutdowntest.Listen(t)
		_ = l.Close()
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext, Clients: 2, Pause: time.Second}
		tally := load.Run(r, func() {})
		if want := (shutdowntest.Tally{Refused: 2}); tally != want {
			t.Errorf("Run() = %+v, want %+v", tally, want)
		}
		r.want(t, `0 responses before the stop, want 100: Post "http://server/": dial memory memory: use of closed`)
	})
}

// A Load waits until the server listens. Connections that are refused after that count as lost.
func TestLoadWaitsForTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		l := shutdowntest.Listen(t)
		began := time.Now()
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if d := time.Since(began); d < time.Second || d > 2*time.Second && d < 3*time.Second {
				return nil, net.ErrClosed
			}
			return l.DialContext(ctx, network, address)
		}
		load := shutdowntest.Load{URL: "http://server/", Dial: dial, Clients: 1, Before: 30, Pause: 100 * ms}
		srv := &http.Server{Handler: slowHandler(0)}
		srv.SetKeepAlivesEnabled(false)
		p := shutdowntest.Start(t, nil, httpdrain.Serve(srv, httpdrain.Listener(l)))
		tally := load.Run(r, func() { p.Stop(nil); p.Wait() })
		if tally.Lost < 5 || tally.Lost > 20 || tally.Sent != tally.Answered {
			t.Errorf("Run() = %+v, want about 10 lost", tally)
		}
		r.want(t, "requests were lost")
	})
}

func TestLoadURL(t *testing.T) {
	r := new(recorder)
	load := shutdowntest.Load{URL: "://", Dial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	load.Run(r, func() {})
	r.want(t, "0 responses", "missing protocol scheme")
	if want := "8 of 8 requests were lost"; !strings.HasPrefix(r.failures[1], want) {
		t.Errorf("failure\n%s\nwant it to begin with %s", r.failures[1], want)
	}
}

// A URL without a server is reported at once.
func TestLoadURLWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for url, want := range map[string]string{"": `"" is not the URL of a server`, "ftp://server/": `"ftp://server/" is not`, "http:///": `"http:///" is not`} {
			began := time.Now()
			r := new(recorder)
			load := shutdowntest.Load{URL: url, Clients: 1}
			load.Run(r, func() {})
			r.want(t, "0 responses", want)
			if d := time.Since(began); d > time.Second {
				t.Errorf("%q: Run took %v", url, d)
			}
		}
	})
}

func TestInvalidLoad(t *testing.T) {
	closed := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	for want, load := range map[string]*shutdowntest.Load{
		"Clients -1":       {Clients: -1},
		"Pause -1s":        {Pause: -time.Second},
		"Before -1":        {Before: -1},
		"a Load runs once": ranBefore(closed),
	} {
		r := new(recorder)
		load.URL, load.Dial = "http://server/", closed
		if tally := load.Run(r, func() { t.Errorf("%s: stop was called", want) }); tally != (shutdowntest.Tally{}) {
			t.Errorf("%s: %+v", want, tally)
		}
		r.want(t, want)
	}
}

func ranBefore(dial func(context.Context, string, string) (net.Conn, error)) *shutdowntest.Load {
	load := &shutdowntest.Load{URL: "no server", Dial: dial, Clients: 1}
	load.Run(new(recorder), func() {})
	return load
}

// If stop ends the test, the clients end, although the server still runs.
func TestLoadWhoseStopEndsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := shutdowntest.Listen(t)
		var served atomic.Int64
		srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })}
		p := shutdowntest.Start(t, nil, httpdrain.Serve(srv, httpdrain.Listener(l)))
		load := shutdowntest.Load{URL: "http://server/", Dial: l.DialContext, Before: 1}
		done := make(chan struct{})
		go func() {
			defer close(done)
			load.Run(t, runtime.Goexit)
		}()
		<-done
		time.Sleep(time.Second)
		before := served.Load()
		time.Sleep(time.Second)
		if n := served.Load() - before; n > 0 {
			t.Errorf("%d requests later than a second after stop", n)
		}
		p.Stop(nil)
		p.Clean()
	})
}
