package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// longEnough is more than anything takes, on any machine.
const longEnough = time.Minute

func TestFateOf(t *testing.T) {
	for _, test := range []struct {
		err   error
		began bool
		want  kind
	}{
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false, refused},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false, reset},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, false, reset},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true, cut},
		{io.EOF, false, eof},
		{io.ErrUnexpectedEOF, false, eof},
		{io.ErrUnexpectedEOF, true, cut},
		{context.DeadlineExceeded, false, timedOut},
		{context.DeadlineExceeded, true, timedOut},
		{errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1"), false, eof},
		{errors.New("malformed HTTP response"), true, cut},
		{errors.New("something else"), false, otherwise},
	} {
		if got := kindOf(fmt.Errorf("wrapped: %w", test.err), test.began); got != test.want {
			t.Errorf("kindOf(%v, %t) = %v, want %v", test.err, test.began, got, test.want)
		}
	}
}

func TestPrototype(t *testing.T) {
	target, err := newTarget(0, wire{url: "http://127.0.0.1:80/orders?x=1", method: "PUT", body: "id=" + idPlaceholder, header: lines{"Authorization: Bearer x", "Host: example.com", "X-Trace: " + idPlaceholder}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"drill-0000000001", "drill-0123456789"} {
		sent := target.first.appendTo([]byte("before"), id)
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimPrefix(string(sent), "before"))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(req.Body)
		got := []string{req.Method, req.Host, req.RequestURI, req.Header.Get("X-Request-Id"), req.Header.Get("X-Trace"), req.Header.Get("Authorization"), string(body), fmt.Sprint(err)}
		want := []string{"PUT", "example.com", "/orders?x=1", id, id, "Bearer x", "id=" + id, "<nil>"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("want -, got +:\n%s", diff)
		}
	}
}

func postTo(url string) wire { return wire{url: url, method: http.MethodPost, body: "body"} }

// script is a server that reads one request from each connection and then does as told.
func script(t *testing.T, then func(net.Conn)) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				_, err = io.Copy(io.Discard, req.Body)
			}
			if err == nil {
				then(c)
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	target, err := newTarget(0, postTo("http://"+l.Addr().String()+"/"))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestExchange(t *testing.T) {
	say := func(text string) func(net.Conn) { return func(c net.Conn) { _, _ = io.WriteString(c, text) } }
	for _, test := range []struct {
		name    string
		then    func(net.Conn)
		timeout time.Duration
		kind    kind
		last    bool
	}{
		{"an answer", say("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"), longEnough, answered, false},
		{"an answer and goodbye", say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), longEnough, answered, true},
		{"a refusal is an answer", say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), longEnough, answered, false},
		{"an answer in chunks", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), longEnough, answered, false},
		{"a failure", say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), longEnough, failed, false},
		{"nothing", say(""), longEnough, eof, true},
		{"half a header", say("HTTP/1.1 200 OK\r\nContent-"), longEnough, cut, true},
		{"half a body", say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), longEnough, cut, true},
		{"chunks without an end", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), longEnough, cut, true},
		{"a reset", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, longEnough, reset, true},
		{"silence", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, 50 * time.Millisecond, timedOut, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := script(t, test.then)
			c, err := dial(t.Context(), target, longEnough)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			f, last, err := c.exchange(target.first, http.MethodPost, idPlaceholder, test.timeout)
			if f != test.kind || last != test.last || (err == nil) != (f == answered || f == failed) {
				t.Errorf("exchange = %v, %t, %v, want %v, %t", f, last, err, test.kind, test.last)
			}
		})
	}
}

func TestUsable(t *testing.T) {
	closing := make(chan struct{})
	target := script(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		<-closing
	})
	c, err := dial(t.Context(), target, longEnough)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if f, _, err := c.exchange(target.first, http.MethodPost, idPlaceholder, longEnough); f != answered {
		t.Fatalf("exchange = %v, %v", f, err)
	}
	if !c.usable() {
		t.Error("a connection at rest is not usable")
	}
	close(closing)
	_ = c.SetReadDeadline(time.Time{})
	if _, err := c.r.Peek(1); err != io.EOF { // it has come
		t.Fatal(err)
	}
	if c.usable() {
		t.Error("a connection that the server has closed is usable")
	}
}

func TestAllProtocols(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	plain := httptest.NewUnstartedServer(handler)
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetHTTP1(true)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	defer plain.Close()
	encrypted := httptest.NewUnstartedServer(handler)
	encrypted.EnableHTTP2 = true
	encrypted.StartTLS()
	defer encrypted.Close()
	only1 := httptest.NewServer(handler)
	defer only1.Close()

	for _, test := range []struct {
		url string
		h2  bool
	}{{plain.URL, true}, {encrypted.URL, true}, {only1.URL, false}} {
		target, err := newTarget(0, postTo(test.url))
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(t.Context(), target, longEnough)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if f, last, err := c.exchange(target.first, http.MethodPost, idPlaceholder, longEnough); f != answered || last || !c.usable() {
				t.Errorf("%s with HTTP/1.1: %v, %t, %v, want an answer and a connection to use again", test.url, f, last, err)
			}
		}
		c.Close()

		caller := newHTTP2Caller(longEnough, target.tls)
		if k, err := caller.do(t.Context(), target, &request{}); (k == answered) != test.h2 {
			t.Errorf("%s with HTTP/2: %v, %v, want an answer: %t", test.url, k, err, test.h2)
		}
		caller.close()
	}
}

func TestPick(t *testing.T) {
	l := &load{}
	for n := range 3 {
		l.targets = append(l.targets, &target{index: n})
	}
	picks := func() (got []int) {
		for turn := range 4 {
			got = append(got, l.pick(turn).index)
		}
		return got
	}
	for _, test := range []struct{ down, want []int }{
		{nil, []int{0, 1, 2, 0}},
		{[]int{1}, []int{0, 2, 2, 0}},
		{[]int{0, 1, 2}, []int{0, 1, 2, 0}}, // the answer may have changed
	} {
		for _, n := range test.down {
			l.targets[n].down.Store(true)
		}
		if diff := cmp.Diff(test.want, picks()); diff != "" {
			t.Errorf("without %v, want -, got +:\n%s", test.down, diff)
		}
	}
}

// TestAClientGoesWhereItIsNotRefused has one target that nobody listens on.
func TestAClientGoesWhereItIsNotRefused(t *testing.T) {
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetHTTP1(true)
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	defer up.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, cl := range []client{keptAlive, fresh, http2} {
		var targets []*target
		for n, url := range []string{gone.URL, up.URL} {
			to, err := newTarget(n, postTo(url))
			if err != nil {
				t.Fatal(err)
			}
			targets = append(targets, to)
		}
		ctx, end := context.WithCancel(t.Context())
		l := newLoad(ctx, &config{timeout: longEnough}, targets)
		caller := newHTTP2Caller(longEnough, false)
		l.client(func(j *journal) {
			if cl == http2 {
				l.calls(j, http2, 0, caller)
				return
			}
			l.http1(j, cl, 0)
		})
		for l.answered.Load() < 20 && l.lost.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		end()
		l.wg.Wait()
		caller.close()
		if l.lost.Load() > 0 || targets[1].turnedAway.Load() > 0 {
			t.Errorf("%v: lost %d, turned away %d by the server that is there; want none", cl, l.lost.Load(), targets[1].turnedAway.Load())
		}
	}
}

// TestRefusedIsLostUnlessTheServerWasToldToGo has nobody listening at all.
func TestRefusedIsLostUnlessTheServerWasToldToGo(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, leaving := range []bool{false, true} {
		to, err := newTarget(0, postTo(gone.URL))
		if err != nil {
			t.Fatal(err)
		}
		to.leaving.Store(leaving)
		ctx, end := context.WithCancel(t.Context())
		l := newLoad(ctx, &config{timeout: longEnough}, []*target{to})
		l.client(func(j *journal) { l.http1(j, keptAlive, 0) })
		if !leaving {
			for l.lost.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			end()
		}
		l.wg.Wait() // by itself, where the server is leaving
		end()
		j := l.all[0]
		if leaving && (len(j.requests) > 0 || to.turnedAway.Load() != 1) {
			t.Errorf("leaving: %+v, turned away %d; want nothing lost and 1 turned away", j.requests, to.turnedAway.Load())
		}
		if !leaving && j.requests[0].kind != refused {
			t.Errorf("not leaving: %+v, want it refused", j.requests)
		}
	}
}
