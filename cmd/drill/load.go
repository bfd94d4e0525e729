package main

import (
	"context"
	"errors"
	"math/rand/v2"
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
	closers []func() // of connections that clients share
	numbers atomic.Int64
	strain  *strain
	calm    func() // tells strain that the first signal is sent
	dial    func(context.Context, *target, time.Duration) (*conn, error)
	sockets int          // WebSockets to open
	open    atomic.Int64 // WebSockets that are open

	// These counters are for the progress line.
	answered, lost, inFlight atomic.Int64
}

func newLoad(ctx context.Context, cfg *config, targets []*target) *load {
	return &load{cfg: cfg, targets: targets, start: time.Now(), ctx: ctx, dial: dial}
}

// begin starts the clients. With h2 set, those of HTTP/2 too.
func (l *load) begin(h2 bool) {
	var ctx context.Context
	ctx, l.calm = context.WithCancel(l.ctx)
	l.strain = newStrain(l.ctx, ctx, l.now)
	t := l.targets[0]
	if t.first != nil {
		l.beginHTTP1()
	}
	if h2 {
		l.beginAll(http2, l.cfg.h2, newHTTP2Caller(l.cfg.timeout, t.tls))
	}
	if t.stream != "" {
		l.beginAll(stream, l.cfg.streams, newStreamCaller())
	}
	if t.grpc != "" {
		l.beginAll(grpcUnary, l.cfg.h2, newGRPCCaller(l.cfg.timeout, t.tls))
	}
	if t.grpcStream != "" {
		l.beginAll(grpcStream, l.cfg.streams, newGRPCStreamCaller(t.tls))
	}
	if t.ws != "" {
		l.beginAll(webSocket, l.sockets, newWebSocketCaller(l))
	}
}

func (l *load) beginHTTP1() {
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
}

// beginAll starts n clients that share a caller.
func (l *load) beginAll(c client, n int, with caller) {
	l.closers = append(l.closers, with.close)
	for turn := range n {
		l.client(func(j *journal) { l.calls(j, c, turn, with) })
	}
}

// hold opens connections to an instance on which nothing is sent.
func (l *load) hold(t *target) {
	if t.first != nil {
		for range l.cfg.idle {
			l.client(func(j *journal) { l.rest(j, t, false) })
		}
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
	for _, f := range l.closers {
		f()
	}
}

// end waits for everything. The load's context must have ended.
func (l *load) end() {
	l.wait()
	if l.strain != nil {
		<-l.strain.done
	}
}

func (l *load) over() bool { return l.ctx.Err() != nil }

func (l *load) now() time.Duration { return time.Since(l.start) }

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
func (l *load) http1(j *journal, cl client, think time.Duration) {
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
func (l *load) connect(j *journal, cl client, t *target, conns []*conn) (_ *target, stay bool) {
	start := l.now()
	var err error
	for n := range l.targets {
		t := l.targets[(t.index+n)%len(l.targets)]
		if conns[t.index] != nil {
			return t, true
		}
		from := l.now()
		var c *conn
		if c, err = l.dial(l.ctx, t, l.cfg.timeout); err == nil {
			c.opened = &dialled{from, l.now()}
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
	l.note(j, t, request{number: l.numbers.Add(1), start: start, client: cl, kind: kindOf(err, false)}, err)
	time.Sleep(retryPause)
	return nil, true
}

// send makes one request and records how it ended.
func (l *load) send(j *journal, cl client, t *target, c *conn) (last, unsent bool) {
	q := request{number: l.numbers.Add(1), client: cl, dial: c.opened}
	c.opened = nil
	l.inFlight.Add(1)
	defer l.inFlight.Add(-1)
	q.start = l.now()
	var err error
	q.kind, last, err = c.exchange(t.first, t.method, q.id(), l.cfg.timeout)
	if errors.Is(err, errUnsent) {
		return true, true
	}
	l.note(j, t, q, err)
	return last, false
}

// note completes the entry of a request and adds it to the journal.
func (l *load) note(j *journal, t *target, q request, err error) {
	if q.lost() {
		q.gone = t.gone() // before anything else, which takes time
	}
	q.end, q.target = l.now(), uint8(t.index)
	if !q.lost() {
		l.answered.Add(1)
		j.requests = append(j.requests, q)
		return
	}
	l.lost.Add(1)
	if q.text = "status 5xx"; err != nil {
		q.text = err.Error()
	}
	j.requests = append(j.requests, q)
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
		j.closings = append(j.closings, closing{silent, uint8(t.index), l.now()})
	}
}
