package httpdrain_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// quick is a policy that does not let a test wait.
var quick = group.Restart(group.Policy{Initial: time.Millisecond})

// broken returns a listener that fails.
func broken(t *testing.T, err error) *ownListener {
	l := &ownListener{Listener: listen(t)}
	l.err.Store(&err)
	return l
}

func TestATaskThatMakesItsServerIsCalledAgain(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	l := &ownListener{Listener: listen(t)}
	calls := 0
	var g group.Group
	g.Go("http", func(ctx context.Context) error {
		listener := l
		if calls++; calls < 3 {
			listener = broken(t, errors.New("boom"))
		}
		return httpdrain.Serve(&http.Server{Handler: hello}, httpdrain.Listener(listener))(ctx)
	}, quick)
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	c := dial(t, "tcp", l.Addr().String())
	c.get("/")
	if _, body := c.answer(); body != "hello" {
		t.Errorf("body = %q", body)
	}
	stop()
	if err := <-done; err != nil || calls != 3 {
		t.Errorf("Run() = %v after %d calls, want nil after three", err, calls)
	}
}

func TestATaskThatServesTheSameServerIsNotCalledAThirdTime(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	srv, calls := &http.Server{Handler: hello}, 0
	var g group.Group
	g.Go("http", func(ctx context.Context) error {
		calls++
		return httpdrain.Serve(srv, httpdrain.Listener(broken(t, errors.New("boom"))))(ctx)
	}, quick)
	if err := g.Run(ctx); !errors.Is(err, group.ErrStopped) || calls != 2 {
		t.Errorf("Run() = %v after %d calls, want ErrStopped after two", err, calls)
	}
}
