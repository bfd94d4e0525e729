//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	clients = 2000 // each sends slow requests, one after the other
	writers = 16   // each sends orders, one after the other
	streams = 50
)

// load is many clients, each with its own connection, that send requests until
// the service has stopped.
type load struct {
	*service
	t        *testing.T
	ctx      context.Context
	wg       sync.WaitGroup
	answered atomic.Int64 // complete responses
	open     atomic.Int64 // streams that have received their first line

	mu        sync.Mutex
	confirmed map[int64]string // orders
}

func newLoad(t *testing.T, s *service) *load {
	l := &load{service: s, t: t, ctx: t.Context(), confirmed: map[int64]string{}}
	t.Cleanup(l.wait) // runs after t.Context has ended, and with it all requests
	return l
}

func (l *load) start() {
	for range clients {
		l.wg.Go(l.work)
	}
	for n := range writers {
		l.wg.Go(func() { l.order(n) })
	}
	for range streams {
		l.wg.Go(l.stream)
	}
}

func (l *load) wait() { l.wg.Wait() }

// send returns false if there was no response, since the service has stopped.
func (l *load) send(method, path string, want int) (body string, ok bool) {
	code, body, err := l.do(l.ctx, method, l.page+path)
	if err != nil {
		return "", false
	}
	l.answered.Add(1)
	if code != want {
		l.t.Errorf("%s %s = %d %q, want %d", method, path, code, body, want)
	}
	return body, code == want
}

func (l *load) work() {
	for ok := true; ok; {
		_, ok = l.send("GET", "/work?for=2s", http.StatusOK)
	}
}

func (l *load) order(writer int) {
	for n := 0; ; n++ {
		body, ok := l.send("POST", fmt.Sprintf("/orders?item=%d-%d", writer, n), http.StatusCreated)
		if !ok {
			return
		}
		l.confirm(body)
	}
}

func (l *load) confirm(body string) {
	var o order
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		l.t.Errorf("confirmation %q: %v", body, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed[o.ID] = o.Item
}

func (l *load) orders() map[int64]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.confirmed)
}

// stream expects the goodbye. Its first line proves that the handler runs, and a
// request that has reached its handler is not lost.
func (l *load) stream() {
	req, err := http.NewRequestWithContext(l.ctx, "GET", l.page+"/stream?for=1m", nil)
	if err != nil {
		l.t.Error(err)
		return
	}
	res, err := l.client.Do(req)
	if err != nil {
		l.t.Errorf("stream: %v", err)
		return
	}
	defer res.Body.Close()
	body := bufio.NewReader(res.Body)
	if _, err := body.ReadString('\n'); err != nil {
		l.t.Errorf("stream's first line: %v", err)
		return
	}
	l.open.Add(1)
	rest, err := io.ReadAll(body)
	if err != nil || !strings.HasSuffix(string(rest), "goodbye: the server is stopping\n") {
		l.t.Errorf("stream ended with %q, %v, want a goodbye", rest, err)
		return
	}
	l.answered.Add(1)
}
