package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A lossy server loses exactly so many requests of one kind in one phase, and serves all others. It
// goes on to the next phase when its clients have seen the losses, not after a time.
type lossy struct {
	kind     string
	phase    string
	lose     int // that many
	executed int // of them are executed
	clients  int // that keep their connections
	dialing  int // clients that dial anew for each request

	mu       sync.Mutex
	now      string // the phase
	losing   bool
	leaving  bool // answers say Connection: close
	answered int  // since the last change of anything above
	accepted int  // likewise
	served   int  // connections that were answered once at least
	open     int
	lost     int
	seen     int // losses that the client has seen
	release  chan struct{}
	holding  bool // connections that come now are answered once closed is closed
	held     int  // so many are
	closed   chan struct{}
}

// lossyServer has the values of a lossy server, separated by commas.
const lossyServer = "LASTCALL_DRILL_TEST_LOSSY"

// settle is long for what happens at once, like the arrival of a packet on the loopback interface.
const settle = 700 * time.Millisecond

func serveLossy(spec string) {
	s := &lossy{now: beforeSignal.String(), release: make(chan struct{}), closed: make(chan struct{})}
	if _, err := fmt.Sscanf(spec, "%d,%d,%d,%d,%q,%q", &s.lose, &s.executed, &s.clients, &s.dialing, &s.kind, &s.phase); err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go s.accept(l)
	s.inPhase(beforeSignal)
	<-term
	s.enter(delay)
	s.inPhase(delay)
	s.await(func() bool { return s.served >= s.clients })
	s.inPhase(closes)
	s.closeListener(l)
	if s.phase == closes.String() {
		s.loseHeld()
	}
	s.enter(lingering)
	time.Sleep(settle) // until the drill finds that the listener is closed
	s.inPhase(lingering)
	s.inPhase(afterClose)
	if s.phase == afterClose.String() {
		s.loseHeld()
	}
	s.inPhase(atExit)
	if s.phase != atExit.String() {
		s.set(func() { s.leaving = true })
		s.await(func() bool { return s.open == 0 })
	}
	os.Exit(0)
}

// closeListener closes l when no client can be about to dial: the close would reset its connection.
func (s *lossy) closeListener(l net.Listener) {
	if s.phase != closes.String() {
		s.set(func() { s.holding = true })
		s.await(func() bool { return s.held >= s.dialing })
	}
	l.Close()
	close(s.closed)
}

func (s *lossy) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.answered, s.accepted = 0, 0
}

func (s *lossy) enter(p phase) { s.set(func() { s.now = p.String() }) }

func (s *lossy) await(f func() bool) {
	for {
		s.mu.Lock()
		ok := f()
		s.mu.Unlock()
		if ok {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// inPhase loses the requests, if p is the phase for it.
func (s *lossy) inPhase(p phase) {
	if s.phase != p.String() {
		return
	}
	if p == closes { // the requests of this phase begin after the signal
		s.await(func() bool { return s.answered >= 10*s.lose })
	} else {
		s.enter(p)
	}
	s.set(func() { s.losing = true })
	s.await(func() bool { return s.lost == s.lose })
	switch p {
	case beforeSignal, delay, lingering: // they go on for long enough to show that
		s.await(func() bool { return s.seen == s.lose })
		s.set(func() {})
		s.await(func() bool { return s.answered >= 30 && (p == lingering || s.accepted >= 30) })
	case afterClose, atExit: // nobody else is served
		s.set(func() { s.leaving = true })
		s.await(func() bool { return s.open == s.lose })
		time.Sleep(settle)
	}
}

// loseHeld loses the requests that are held back until then.
func (s *lossy) loseHeld() {
	close(s.release)
	s.await(func() bool { return s.seen == s.lose })
}

func (s *lossy) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		held := s.holding
		s.accepted++
		s.open++
		may := s.losing || s.phase != closes.String() // be lost
		s.mu.Unlock()
		go func() {
			s.serve(c.(*net.TCPConn), may, held)
			c.Close()
			s.mu.Lock()
			s.open--
			s.mu.Unlock()
		}()
	}
}

func (s *lossy) serve(c *net.TCPConn, may, held bool) {
	r := bufio.NewReader(c)
	for first := true; ; first = false {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		time.Sleep(s.pause())
		if first && held {
			s.set(func() { s.held++ })
			<-s.closed
		}
		victim, executed, leaving := s.next(string(body), may, first)
		if executed {
			fmt.Println(string(body))
		}
		if victim {
			s.loseOne(c, r)
			return
		}
		head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		if leaving {
			head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		}
		if _, err := io.WriteString(c, head); err != nil {
			return
		}
		if leaving {
			_, _ = r.Peek(1) // until the client has left
			return
		}
	}
}

// pause makes an even load, so that many of these can run side by side. Before the signal, the drill
// waits for some answers: they are late until it has seen the losses.
func (s *lossy) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == s.phase && s.phase == beforeSignal.String() && s.seen < s.lose {
		return time.Second
	}
	return 10 * time.Millisecond
}

// next decides about a request.
func (s *lossy) next(id string, may, first bool) (victim, executed, leaving bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.losing && may && s.lost < s.lose && id != idPlaceholder {
		s.lost++
		return true, s.lost <= s.executed, false
	}
	s.answered++
	if first && id != idPlaceholder {
		s.served++
	}
	return false, true, s.leaving
}

// loseOne returns when the client has seen its loss.
func (s *lossy) loseOne(c *net.TCPConn, r *bufio.Reader) {
	if slices.Contains([]string{closes.String(), afterClose.String(), atExit.String()}, s.phase) {
		switch {
		case s.phase != atExit.String():
			<-s.release
		case s.kind == cut.String():
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1")
			select {} // until the exit
		case s.kind == reset.String():
			_ = c.SetLinger(0)
			fallthrough
		default:
			select {}
		}
	}
	switch s.kind {
	case reset.String():
		_ = c.SetLinger(0)
		c.Close()
		time.Sleep(settle) // nothing comes back
	case eof.String():
		_ = c.CloseWrite()
	case cut.String():
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1")
		_ = c.CloseWrite()
	case failed.String():
		_, _ = io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}
	_, _ = r.Peek(1) // until the client closes
	s.mu.Lock()
	s.seen++
	s.mu.Unlock()
}
