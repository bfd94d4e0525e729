package heavy_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A site is served with HTTP/1, HTTP/2 and HTTP/3.
type site struct {
	tcp     net.Listener
	udp     net.PacketConn
	tls     *tls.Config
	handler http.Handler
}

// region http3
func (s *site) run(ctx context.Context) error {
	defer s.udp.Close()
	h3 := &http3.Server{
		Handler:   s.handler,
		TLSConfig: s.tls,
		// Shutdown waits until the clients have closed their connections. This closes idle ones.
		IdleTimeout: 2 * time.Second,
	}
	c := shutdown.FromContext(ctx)
	web := &http.Server{TLSConfig: s.tls, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Ready() { // not during a stop: SetQUICHeaders may block until h3 has ended
			_ = h3.SetQUICHeaders(w.Header()) // Alt-Svc
		}
		s.handler.ServeHTTP(w, r)
	})}

	var g group.Group
	g.Go("http", httpdrain.Serve(web, httpdrain.Listener(s.tcp)))
	// It is added last, so it stops first. Until it has ended, its clients can connect with TCP.
	g.Add("http3", func(context.Context) error { return h3.Serve(s.udp) }, h3.Shutdown)
	return g.Run(ctx)
}

// endregion

// A request in flight over QUIC is answered. Meanwhile TCP serves, and offers no HTTP/3 any more.
// A client that does not close its connection does not hold up the stop.
func TestHTTP3(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	cert.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := cert.Client().Transport.(*http.Transport).TLSClientConfig // it trusts the certificate
	began, release := make(chan struct{}), make(chan struct{})
	s := &site{tcp, udp, &tls.Config{Certificates: cert.TLS.Certificates}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-release
		}
		_, _ = io.WriteString(w, r.Proto)
	})}
	c := shutdowntest.New(t)
	c.Grace = time.Minute
	p := shutdowntest.Start(t, c, s.run)

	// A client that opens a connection and then does nothing.
	silent, err := quic.DialAddr(t.Context(), udp.LocalAddr().String(), withALPN(client), &quic.Config{KeepAlivePeriod: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.CloseWithError(0, "")

	overTCP := &http.Client{Transport: &http.Transport{TLSClientConfig: client, DisableKeepAlives: true}}
	get := func(c *http.Client, addr net.Addr, path string) (string, http.Header) {
		res, err := c.Get("https://" + addr.String() + path)
		if err != nil {
			return err.Error(), nil
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return err.Error(), nil
		}
		return string(text), res.Header
	}
	if text, header := get(overTCP, tcp.Addr(), "/"); text != "HTTP/1.1" || header.Get("Alt-Svc") == "" {
		t.Errorf("over TCP: %q, Alt-Svc %q, want HTTP/1.1 and an Alt-Svc", text, header.Get("Alt-Svc"))
	}
	transport := &http3.Transport{TLSClientConfig: client}
	defer transport.Close()
	slow := make(chan string, 1)
	go func() {
		text, _ := get(&http.Client{Transport: transport}, udp.LocalAddr(), "/slow")
		slow <- text
	}()
	select {
	case <-began:
	case text := <-slow:
		t.Fatalf("over QUIC: %s", text)
	}

	p.Stop(nil)
	if text, header := get(overTCP, tcp.Addr(), "/"); text != "HTTP/1.1" || header.Get("Alt-Svc") != "" {
		t.Errorf("over TCP, during the stop: %q, Alt-Svc %q, want HTTP/1.1 and none", text, header.Get("Alt-Svc"))
	}
	close(release)
	if got, want := <-slow, "HTTP/3.0"; got != want {
		t.Errorf("the request in flight over QUIC: %q, want %q", got, want)
	}
	p.Clean()
	p.Order("main", "http3", "http")
}

// A handler that does not obey its context keeps http3's Shutdown from returning. The group
// abandons it, so that the stop is bounded, and the TCP server still stops.
func TestHTTP3Stuck(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	cert.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, release := make(chan struct{}), make(chan struct{})
	s := &site{tcp, udp, &tls.Config{Certificates: cert.TLS.Certificates}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(began)
		<-release
	})}
	c := shutdowntest.New(t)
	c.Grace = 2 * time.Second
	p := shutdowntest.Start(t, c, s.run)
	transport := &http3.Transport{TLSClientConfig: cert.Client().Transport.(*http.Transport).TLSClientConfig}
	defer transport.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		res, err := (&http.Client{Transport: transport}).Get("https://" + udp.LocalAddr().String())
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	<-began
	p.Stop(nil)
	for _, step := range p.Wait().Steps {
		if want := map[string]shutdown.Outcome{"http3": shutdown.OutcomeAbandoned, "http": shutdown.OutcomeOK}; step.Outcome != want[step.Name] && step.Kind == shutdown.KindTask {
			t.Errorf("%s: %v, want %v", step.Name, step.Outcome, want[step.Name])
		}
	}
	close(release)
	<-answered
}

func withALPN(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.NextProtos = []string{http3.NextProtoH3}
	return c
}
