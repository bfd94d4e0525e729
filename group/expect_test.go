package group_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lastcall-go/lastcall/group"
)

// serves is a typical task of a program that was moved over. When it is told to stop, it shuts its
// server down and returns the error of Serve.
func serves(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("serving: %w", http.ErrServerClosed)
}

func TestErrServerClosed(t *testing.T) {
	run := func(t *testing.T, opts ...group.Option) (err error) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			var g group.Group
			g.Go("http", serves, opts...)
			err = g.Run(ctx)
		})
		return err
	}
	t.Run("is a failure that says what to do", func(t *testing.T) {
		err := run(t)
		if !errors.Is(err, http.ErrServerClosed) || !strings.Contains(err.Error(), "Expect") || !strings.Contains(err.Error(), "group.Add") {
			t.Errorf("Run = %v, want http.ErrServerClosed, with Expect and group.Add", err)
		}
	})
	t.Run("is no failure if it is expected", func(t *testing.T) {
		if err := run(t, group.Expect(http.ErrServerClosed)); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Run("is a failure before the task was told", func(t *testing.T) {
		var g group.Group
		g.Go("http", func(context.Context) error { return http.ErrServerClosed }, group.Expect(http.ErrServerClosed))
		err := g.Run(context.Background())
		if !errors.Is(err, http.ErrServerClosed) || strings.Contains(err.Error(), "Expect") {
			t.Errorf("Run = %v, want http.ErrServerClosed alone", err)
		}
	})
}

func TestTheCauseOfAGroupWhoseTaskEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group.Group
		g.Go("a", func(ctx context.Context) error {
			<-ctx.Done()
			var ended *group.EndedError
			if cause := context.Cause(ctx); !errors.As(cause, &ended) || ended.Name != "b" || !errors.Is(cause, context.Canceled) {
				t.Errorf("Cause = %v, want an EndedError of b, which is context.Canceled", cause)
			}
			return context.Cause(ctx)
		})
		g.Go("b", succeeds)
		checkFailures(t, g.Run(context.Background()))
	})
}
