package grpcdrain_test

import (
	"net"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/lastcall-go/lastcall/shutdown"
)

// The connections that a server's credentials see have SyscallConn, and NetConn for what it does
// not offer.
func TestConnections(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	seen := make(chan net.Conn, 1)
	l := listen(t, "tcp", "127.0.0.1:0")
	p := startOn(t, new(shutdown.Coordinator), l, nil, serve(new(echo), grpc.Creds(&seeing{insecure.NewCredentials(), seen})))
	if _, err := call(t.Context(), client(t, l.Addr().String(), insecure.NewCredentials()), "hello"); err != nil {
		t.Error(err)
	}
	c := <-seen
	if _, ok := c.(syscall.Conn); !ok {
		t.Errorf("a %T has no SyscallConn", c)
	}
	if inner, ok := c.(interface{ NetConn() net.Conn }); !ok {
		t.Errorf("a %T has no NetConn", c)
	} else if _, ok := inner.NetConn().(*net.TCPConn); !ok {
		t.Errorf("NetConn returned a %T", inner.NetConn())
	}
	if r, _ := p.ended(); r.Err() != nil {
		t.Error(r.Err())
	}
}

type seeing struct {
	credentials.TransportCredentials
	seen chan net.Conn
}

func (s *seeing) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	s.seen <- c
	return s.TransportCredentials.ServerHandshake(c)
}
