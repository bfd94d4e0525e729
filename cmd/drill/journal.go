package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// A fate says that a request was answered, or how it was lost.
type fate uint8

const (
	answered    fate = iota // completely, with a status below 500
	refused                 // no server took the connection, and there was none left to try
	reset                   // the connection was reset before the answer began
	eof                     // the connection was closed before the answer began
	cut                     // the answer began and did not end
	serverError             // 5xx
	timedOut                // no answer within the time limit
	otherwise
	fates
)

func (f fate) String() string {
	return [fates]string{"answered", "refused", "reset", "EOF", "cut", "5xx", "timeout", "other"}[f]
}

// fateOf returns how a request was lost. began means that a part of the answer had arrived.
func fateOf(err error, began bool) fate {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case began:
		return cut
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return eof
	case strings.Contains(err.Error(), "GOAWAY and closed"):
		return eof // net/http does not export the type
	default:
		return otherwise
	}
}

// A class is a kind of client.
type class uint8

const (
	keptAlive class = iota // HTTP/1.1, one connection for many requests
	fresh                  // HTTP/1.1, a connection for each request
	http2                  // one connection for many clients
	stream                 // a long answer
	classes
)

func (c class) String() string {
	return [classes]string{"kept-alive", "new connection", "HTTP/2", "stream"}[c]
}

// An event is a request that is over. Times count from the session's start.
type event struct {
	start, end time.Duration
	target     uint8
	class      class
	fate       fate
}

// A Loss is a request that was lost.
type Loss struct {
	ID     string `json:"id"`
	At     millis `json:"at_ms"` // since the session's start
	Client string `json:"client"`
	Kind   string `json:"kind"`
	Error  string `json:"error"`
	// Executed tells whether the server has left the id in its -executed files.
	Executed bool `json:"executed"`
}

// A closing is the end of a connection that had no request on it.
type closing struct {
	silent bool // it had never had one
	target uint8
	at     time.Duration
}

// A journal has the events of one client. Only the client's goroutine uses it, until that has ended.
type journal struct {
	events   []event
	losses   []Loss
	closings []closing
}

// insecure accepts every certificate. A drill tests how a server stops, and on the loopback
// interface most servers have a certificate that nobody signed.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// prototype is a request as it goes over the wire, with the places where its id goes.
type prototype struct {
	bytes []byte
	ids   []int // offsets
}

// idPlaceholder is as long as every id. With ids of the same length all bodies have the same length,
// and no id is the beginning of another, which keeps the search for ids in files simple.
const (
	idFormat      = "drill-%010d"
	idPlaceholder = "drill-0000000000"
)

func newPrototype(req *http.Request) (*prototype, error) {
	var b strings.Builder
	if err := req.Write(&b); err != nil {
		return nil, err
	}
	p := &prototype{bytes: []byte(b.String())}
	for from := 0; ; {
		n := strings.Index(b.String()[from:], idPlaceholder)
		if n < 0 {
			return p, nil
		}
		p.ids = append(p.ids, from+n)
		from += n + len(idPlaceholder)
	}
}

// appendTo appends the request with that id.
func (p *prototype) appendTo(buf []byte, id string) []byte {
	at := len(buf)
	buf = append(buf, p.bytes...)
	for _, n := range p.ids {
		copy(buf[at+n:], id)
	}
	return buf
}
