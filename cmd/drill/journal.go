package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// A kind says how a request ended.
type kind uint8

const (
	answered kind = iota // completely, and not with an error
	refused              // no server took the connection, and there was none left to try
	reset                // the connection was reset before the answer began
	eof                  // the connection was closed before the answer began
	cut                  // the answer began and did not end
	failed               // the answer is an error: a status from 500 on, or of gRPC
	timedOut             // no answer within the time limit
	otherwise
	kinds
)

func (k kind) String() string {
	return [kinds]string{"answered", "refused", "reset", "EOF", "cut", "error status", "timeout", "other"}[k]
}

// kindOf returns how a request was lost. began means that a part of the answer had arrived.
func kindOf(err error, began bool) kind {
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

// A client is a kind of client.
type client uint8

const (
	keptAlive client = iota // HTTP/1.1, one connection for many requests
	fresh                   // HTTP/1.1, a connection for each request
	http2                   // one connection for many clients
	stream                  // a long answer
	grpcUnary
	grpcStream
	webSocket // from the handshake to the close frame
	clients
)

func (c client) String() string {
	return [clients]string{"kept-alive", "new connection", "HTTP/2", "stream", "gRPC", "gRPC stream", "WebSocket"}[c]
}

// long reports whether a request lasts until the server ends it. Any stop ends such requests.
func (c client) long() bool { return c == stream || c == grpcStream || c == webSocket }

// A request is an entry of the journal: a request that is over. Times count from the start of the run.
type request struct {
	number     int64 // its id
	start, end time.Duration
	dial       *dialled // nil: not the first request of a connection that the drill has opened itself
	target     uint8
	client     client
	kind       kind
	phase      phase // of a loss
	gone       bool  // a loss, and the server's process had ended when it was seen
	executed   bool  // a loss whose id the server has left in its -executed files
	text       string
	farewell   *farewell // nil: not a WebSocket, or one that was never open
}

// dialled tells when a connection was opened.
type dialled struct{ from, to time.Duration }

func (q *request) id() string { return fmt.Sprintf(idFormat, q.number) }

func (q *request) lost() bool { return q.kind != answered }

// A closing is the end of a connection that had no request on it.
type closing struct {
	silent bool // it had never had one
	target uint8
	at     time.Duration
}

// A journal has the requests of one client. Only the client's goroutine uses it, until that has ended.
type journal struct {
	requests []request
	closings []closing
}

// insecure accepts every certificate. A drill tests how a server stops, and on the loopback
// interface most servers have a certificate that nobody signed.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// idPlaceholder is as long as every id. With ids of the same length all bodies have the same length,
// and no id is the beginning of another, which keeps the search for ids in files simple.
const (
	idFormat      = "drill-%010d"
	idPlaceholder = "drill-0000000000"
)
