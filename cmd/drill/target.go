package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// A target is an address that clients send requests to: an instance, or the proxy in front
// of several.
type target struct {
	index int
	url   string
	// streamURL is empty if there are no streams.
	streamURL string
	addr      string // host:port
	host      string
	tls       bool
	body      string
	post      *prototype
	stream    *prototype // nil: there are no streams

	// leaving is set just before the SIGTERM of a drill without another server: clients that are
	// told to leave do not come back.
	leaving atomic.Bool
	// down is set where a load balancer would take the target out.
	down atomic.Bool
	// turnedAway counts refused connections that are no loss: the request had not been sent, and
	// the client could use the other server or should have left.
	turnedAway atomic.Int64
}

func newTarget(index int, rawURL, stream, body string) (*target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	t := &target{index: index, url: rawURL, streamURL: stream, addr: hostPort(rawURL), host: u.Hostname(), tls: u.Scheme == "https", body: body}
	if t.post, err = newPrototype(t.request(context.Background(), idPlaceholder)); err != nil {
		return nil, err
	}
	if stream == "" {
		return t, nil
	}
	req, err := http.NewRequest(http.MethodGet, stream, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Request-Id", idPlaceholder)
	t.stream, err = newPrototype(req)
	return t, err
}

// request is a POST with that id. net/http sends it again only if HTTP/2 says that it was
// not processed.
func (t *target) request(ctx context.Context, id string) *http.Request {
	body := strings.ReplaceAll(t.body, idPlaceholder, id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err) // newTarget has parsed the URL
	}
	req.Header.Set("X-Request-Id", id)
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	return req
}

// fall is the number of successive checks that must fail before a load balancer takes a server out. A
// single failure may be an accident. haproxy and Kubernetes have 3 by default.
const fall = 2

// watch polls readiness and keeps down up to date.
func (t *target) watch(ctx context.Context, i *instance, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if i.isReady(ctx) {
			failed = 0
			t.down.Store(false)
		} else if failed++; failed >= fall {
			t.down.Store(true)
		}
	}
}
