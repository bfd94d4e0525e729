package grpcdrain_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/grpcdrain"
)

func TestRestartOfAServer(t *testing.T) {
	for name, tc := range map[string]struct {
		again bool // whether each call has a server of its own
		calls int
		want  error
	}{
		"is called again if the task makes it":     {true, 4, nil},
		"gives up if it is the same the next time": {false, 2, group.ErrStopped},
	} {
		bubble(t, name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			srv, calls := grpcdrain.NewServer(), 0
			var g group.Group
			g.Go("grpc", func(ctx context.Context) error {
				server := srv
				if tc.again {
					server = grpcdrain.NewServer()
				}
				l := &listener{Listener: bufconn.Listen(1 << 16)}
				if calls++; calls < 4 {
					l.accept = func() error { return errors.New("boom") }
				}
				return grpcdrain.Serve(server, grpcdrain.Listener(l))(ctx)
			}, group.Restart(group.Policy{}))
			if err := g.Run(ctx); !errors.Is(err, tc.want) || calls != tc.calls {
				t.Errorf("Run() = %v after %d calls, want %v after %d", err, calls, tc.want, tc.calls)
			}
		})
	}
}
