package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// A caller makes requests whose connections it manages itself.
type caller struct {
	do    func(ctx context.Context, t *target, q *request) (kind, error)
	close func()
}

// calls is a client that makes one request after the other.
func (l *load) calls(j *journal, c client, turn int, with caller) {
	for ; !l.over(); turn++ {
		t := l.pick(turn)
		q := request{number: l.numbers.Add(1), client: c, start: l.now()}
		ctx := context.Background() // a request on its way is not given up
		if c.long() {
			ctx = l.ctx
		} else {
			l.inFlight.Add(1)
		}
		var err error
		q.kind, err = with.do(ctx, t, &q)
		if !c.long() {
			l.inFlight.Add(-1)
		}
		switch {
		case c.long() && l.over() && !q.told():
			return // it was the drill that ended it
		case q.kind == refused && l.ends(t):
			t.turnedAway.Add(1)
			return
		case q.kind == refused && len(l.targets) > 1:
			t.turnedAway.Add(1)
			t.down.Store(true)
			if !l.pick(turn + 1).down.Load() {
				continue // there, with another id
			}
		}
		l.note(j, t, q, err)
		if c.long() && l.ends(t) {
			return
		}
		if c.long() || q.kind == refused {
			time.Sleep(retryPause)
		}
	}
}

// newHTTP2 makes a client that cannot fall back to HTTP/1.1, so that a server without HTTP/2 is noticed.
func newHTTP2(timeout time.Duration, encrypted bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: insecure(), Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP2(encrypted)
	tr.Protocols.SetUnencryptedHTTP2(!encrypted)
	return &http.Client{Transport: tr, Timeout: timeout, CheckRedirect: noRedirect}
}

// newHTTP2Caller shares its connections. A request that the server has refused with GOAWAY or
// REFUSED_STREAM is sent again by net/http: HTTP/2 guarantees that it was not processed.
func newHTTP2Caller(timeout time.Duration, encrypted bool) caller {
	c := newHTTP2(timeout, encrypted)
	return caller{func(ctx context.Context, t *target, q *request) (kind, error) {
		return roundTrip(c, t.request(ctx, q.id()))
	}, c.CloseIdleConnections}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// roundTrip reads the whole answer.
func roundTrip(c *http.Client, req *http.Request) (kind, error) {
	res, err := c.Do(req)
	if err != nil {
		return kindOf(err, false), err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return kindOf(err, true), err
	}
	if res.StatusCode >= 500 {
		return failed, errors.New("status " + res.Status)
	}
	return answered, nil
}

// newStreamCaller opens a connection for each stream.
func newStreamCaller() caller {
	tr := &http.Transport{TLSClientConfig: insecure(), MaxIdleConnsPerHost: -1, Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(true)
	c := &http.Client{Transport: tr, CheckRedirect: noRedirect}
	return caller{func(ctx context.Context, t *target, q *request) (kind, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.stream, nil)
		if err != nil {
			return otherwise, err
		}
		req.Header = t.headers(q.id())
		return roundTrip(c, req)
	}, c.CloseIdleConnections}
}

// The status codes of gRPC that the callers know.
const (
	grpcOK          = "0"
	grpcUnavailable = "14"
)

func newGRPCCaller(timeout time.Duration, encrypted bool) caller {
	c := newHTTP2(timeout, encrypted)
	return caller{func(ctx context.Context, t *target, q *request) (kind, error) {
		return callGRPC(ctx, c, t, t.grpc, q.id(), grpcOK)
	}, c.CloseIdleConnections}
}

// newGRPCStreamCaller counts a stream that ends with UNAVAILABLE as complete: the server has told the
// client that it goes away, which is all that it can do with a stream that has no end.
func newGRPCStreamCaller(encrypted bool) caller {
	c := newHTTP2(0, encrypted)
	return caller{func(ctx context.Context, t *target, q *request) (kind, error) {
		return callGRPC(ctx, c, t, t.grpcStream, q.id(), grpcOK, grpcUnavailable)
	}, c.CloseIdleConnections}
}

// callGRPC sends one message and reads all that come. gRPC is HTTP/2 with a status in the trailers, so
// the losses have the same kinds.
func callGRPC(ctx context.Context, c *http.Client, t *target, url, id string, good ...string) (kind, error) {
	message := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(t.message)))...) // 0: not compressed
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(message)+t.message))
	if err != nil {
		return otherwise, err
	}
	req.Header = t.headers(id)
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := c.Do(req)
	if err != nil {
		return kindOf(err, false), err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return kindOf(err, true), err
	}
	status, text := res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message")
	if status == "" { // an answer without a message has them in the header
		status, text = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	for _, s := range good {
		if status == s {
			return answered, nil
		}
	}
	if status == "" {
		return failed, fmt.Errorf("status %s without a gRPC status", res.Status)
	}
	return failed, fmt.Errorf("gRPC status %s: %s", status, text)
}
