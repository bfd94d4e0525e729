package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// retryPause slows down clients whose connections are refused, or whose streams end, at once.
const retryPause = 10 * time.Millisecond

// A load is many clients that send requests until they are told to leave or the load is
// over. It balances by itself: each client takes turns between the targets that are up.
type load struct {
	cfg     *config
	targets []*target
	start   time.Time
	ctx     context.Context // its end is the load's
	wg      sync.WaitGroup
	all     []*journal
	shared  *http.Client // of the clients with HTTP/2
	ids     atomic.Int64

	// These counters are for the progress line.
	answered, lost, inFlight atomic.Int64
}

func newLoad(ctx context.Context, cfg *config, targets []*target) *load {
	return &load{cfg: cfg, targets: targets, start: time.Now(), ctx: ctx}
}

// begin starts the clients. With h2 set, those of HTTP/2 too.
func (l *load) begin(h2 bool) {
	for n := range l.cfg.clients {
		think := l.cfg.think
		if n%2 == 0 {
			think = 0 // whose requests are on their way at every instant
		}
		l.client(func(j *journal) { l.http1(j, keptAlive, think) })
	}
	for range l.cfg.fresh {
		l.client(func(j *journal) { l.http1(j, fresh, l.cfg.think) })
	}
	if h2 {
		l.shared = newHTTP2(l.cfg.timeout, l.targets[0].tls)
		for range l.cfg.h2 {
			l.client(func(j *journal) { l.http2(j, l.shared) })
		}
	}
	if l.targets[0].stream != nil {
		for n := range l.cfg.streams {
			l.client(func(j *journal) { l.streams(j, n) })
		}
	}
}

// hold opens connections to an instance on which nothing is sent.
func (l *load) hold(t *target) {
	for range l.cfg.idle {
		l.client(func(j *journal) { l.rest(j, t, false) })
	}
	for range l.cfg.silent {
		l.client(func(j *journal) { l.rest(j, t, true) })
	}
}

func (l *load) client(f func(*journal)) {
	j := &journal{}
	l.all = append(l.all, j)
	l.wg.Go(func() { f(j) })
}

// wait returns when every client has left. The journals are then the caller's.
func (l *load) wait() {
	l.wg.Wait()
	if l.shared != nil {
		l.shared.CloseIdleConnections()
	}
}

func (l *load) over() bool { return l.ctx.Err() != nil }

// ends means that a target takes no more requests and there is no other.
func (l *load) ends(t *target) bool { return len(l.targets) == 1 && t.leaving.Load() }

// pick returns the next target that is up; if none is, the next one.
func (l *load) pick(turn int) *target {
	for n := range l.targets {
		if t := l.targets[(turn+n)%len(l.targets)]; !t.down.Load() {
			return t
		}
	}
	return l.targets[turn%len(l.targets)]
}

// http1 is a client with HTTP/1.1: one connection to each target, or one to each request.
func (l *load) http1(j *journal, cl class, think time.Duration) {
	conns := make([]*conn, len(l.targets))
	drop := func(t *target) {
		if c := conns[t.index]; c != nil {
			c.Close()
			conns[t.index] = nil
		}
	}
	defer func() {
		for _, t := range l.targets {
			drop(t)
		}
	}()
	for turn := rand.IntN(len(l.targets)); !l.over(); turn++ {
		time.Sleep(pause(think))
		t := l.pick(turn)
		if c := conns[t.index]; c != nil && !c.usable() {
			drop(t)
			if l.ends(t) {
				return
			}
		}
		if conns[t.index] == nil {
			var stay bool
			if t, stay = l.connect(j, cl, t, conns); t == nil {
				if stay {
					continue
				}
				return
			}
		}
		last, unsent := l.send(j, cl, t, conns[t.index])
		if last || cl == fresh {
			drop(t)
		}
		if last && !unsent && cl == keptAlive && l.ends(t) {
			return
		}
	}
}

// pause takes a time with an exponential distribution, as between independent arrivals.
func pause(mean time.Duration) time.Duration {
	return time.Duration(rand.ExpFloat64() * float64(mean))
}

// connect puts a connection to t or, where that is refused, to the next target into conns.
// Without one it returns nil, and whether the client goes on.
func (l *load) connect(j *journal, cl class, t *target, conns []*conn) (_ *target, stay bool) {
	start := time.Since(l.start)
	var err error
	for n := range l.targets {
		t := l.targets[(t.index+n)%len(l.targets)]
		if conns[t.index] != nil {
			return t, true
		}
		var c *conn
		if c, err = dial(l.ctx, t, l.cfg.timeout); err == nil {
			conns[t.index] = c
			return t, true
		}
		switch {
		case l.over():
			return nil, false
		case l.ends(t):
			t.turnedAway.Add(1)
			return nil, false
		case len(l.targets) > 1:
			t.turnedAway.Add(1)
			t.down.Store(true) // until the next look that succeeds
		}
	}
	l.note(j, event{start: start, target: uint8(t.index), class: cl, fate: fateOf(err, false)}, l.id(), err)
	time.Sleep(retryPause)
	return nil, true
}

// send makes one request and records its fate.
func (l *load) send(j *journal, cl class, t *target, c *conn) (last, unsent bool) {
	id := l.id()
	l.inFlight.Add(1)
	defer l.inFlight.Add(-1)
	start := time.Since(l.start)
	f, last, err := c.exchange(t.post, http.MethodPost, id, l.cfg.timeout)
	if errors.Is(err, errUnsent) {
		return true, true
	}
	l.note(j, event{start: start, target: uint8(t.index), class: cl, fate: f}, id, err)
	return last, false
}

func (l *load) id() string { return fmt.Sprintf(idFormat, l.ids.Add(1)) }

func (l *load) note(j *journal, e event, id string, err error) {
	e.end = time.Since(l.start)
	j.events = append(j.events, e)
	if e.fate == answered {
		l.answered.Add(1)
		return
	}
	l.lost.Add(1)
	text := "status 5xx"
	if err != nil {
		text = err.Error()
	}
	j.losses = append(j.losses, Loss{ID: id, At: millis(e.end), Client: e.class.String(), Kind: e.fate.String(), Error: text})
}

// newHTTP2 makes a client that cannot fall back to HTTP/1.1, so that a server without HTTP/2 is noticed.
func newHTTP2(timeout time.Duration, encrypted bool) *http.Client {
	tr := &http.Transport{TLSClientConfig: insecure(), Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP2(encrypted)
	tr.Protocols.SetUnencryptedHTTP2(!encrypted)
	return &http.Client{Transport: tr, Timeout: timeout}
}

// http2 is a client that shares its connections. A request that the server has refused
// with GOAWAY or REFUSED_STREAM is sent again by net/http: HTTP/2 guarantees that it was
// not processed.
func (l *load) http2(j *journal, client *http.Client) {
	for turn := rand.IntN(len(l.targets)); !l.over(); turn++ {
		t := l.pick(turn)
		id := l.id()
		start := time.Since(l.start)
		l.inFlight.Add(1)
		f, err := post(client, t.request(context.Background(), id))
		l.inFlight.Add(-1)
		if f == refused && l.ends(t) {
			t.turnedAway.Add(1)
			return
		}
		if f == refused && len(l.targets) > 1 {
			t.turnedAway.Add(1)
			t.down.Store(true)
			if !l.pick(turn + 1).down.Load() {
				continue // there, with another id
			}
		}
		l.note(j, event{start: start, target: uint8(t.index), class: http2, fate: f}, id, err)
		if f == refused {
			time.Sleep(retryPause)
		}
	}
}

func post(client *http.Client, req *http.Request) (fate, error) {
	res, err := client.Do(req)
	if err != nil {
		return fateOf(err, false), err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fateOf(err, true), err
	}
	if res.StatusCode >= 500 {
		return serverError, nil
	}
	return answered, nil
}

// streams reads one long answer after the other.
func (l *load) streams(j *journal, turn int) {
	for ; !l.over(); turn++ {
		t := l.pick(turn)
		conns := make([]*conn, len(l.targets))
		t, stay := l.connect(j, stream, t, conns)
		if t == nil && !stay {
			return
		}
		if t == nil {
			continue
		}
		c := conns[t.index]
		id := l.id()
		start := time.Since(l.start)
		hangUp := context.AfterFunc(l.ctx, func() { c.Close() })
		f, _, err := c.exchange(t.stream, http.MethodGet, id, 0)
		if !hangUp() {
			return // it was us who ended it
		}
		c.Close()
		if !errors.Is(err, errUnsent) {
			l.note(j, event{start: start, target: uint8(t.index), class: stream, fate: f}, id, err)
		}
		if l.ends(t) {
			return
		}
		time.Sleep(retryPause)
	}
}

// rest keeps a connection and waits for the server to close it.
func (l *load) rest(j *journal, t *target, silent bool) {
	c, err := dial(l.ctx, t, l.cfg.timeout)
	if err != nil {
		return
	}
	defer c.Close()
	if !silent {
		if last, _ := l.send(j, keptAlive, t, c); last {
			return
		}
	}
	defer context.AfterFunc(l.ctx, func() { c.Close() })()
	_ = c.SetReadDeadline(time.Time{})
	_, _ = c.r.Peek(1) // whatever comes, it is the end
	if !l.over() {
		j.closings = append(j.closings, closing{silent, uint8(t.index), time.Since(l.start)})
	}
}
