package recipes_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A feed is a connection to a server that may go away.
type feed struct {
	read  func(context.Context) (job, error)
	close func() error
}

func (f *feed) Read(ctx context.Context) (job, error) { return f.read(ctx) }
func (f *feed) Close() error                          { return f.close() }

type subscriber struct {
	connect func(context.Context) (*feed, error)
	handle  func(context.Context, job) error
}

// region restart
func (s *subscriber) run(ctx context.Context) error {
	feed, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer feed.Close() // before run is called again
	for {
		job, err := feed.Read(ctx) // fails when the connection is lost
		if err != nil {
			return err
		}
		if err := s.handle(group.WorkContext(ctx), job); err != nil {
			return err
		}
	}
}

// endregion

// The connection is lost twice, and cannot be made twice. The worker goes on, and no job is lost.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var connects, open, handled int
		s := &subscriber{
			connect: func(context.Context) (*feed, error) {
				if connects++; connects == 2 || connects == 3 {
					return nil, errors.New("connection refused")
				}
				open++
				return &feed{
					read: func(ctx context.Context) (job, error) {
						if connects < 5 && handled == 3*connects {
							return 0, errors.New("connection lost")
						}
						return 0, sleep(ctx, time.Second)
					},
					close: func() error { open--; return nil },
				}, nil
			},
			handle: func(context.Context, job) error {
				if open != 1 {
					t.Errorf("%d connections are open, want one", open)
				}
				handled++
				return nil
			},
		}
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			// region policy
			g.Go("subscriber", s.run, group.Restart(group.Policy{Limit: 20, Within: time.Hour}))
			// endregion
			return g.Run(ctx)
		})
		time.Sleep(time.Minute)
		p.Signal(syscall.SIGTERM)
		p.Clean()
		var got shutdown.Step
		for _, step := range p.Report().Steps {
			if step.Name == "subscriber" {
				got = step
			}
		}
		if got.Restarts != 4 || got.LastErr == nil || handled < 20 || open != 0 {
			t.Errorf("%d restarts, the last after %v; %d jobs handled, %d connections are open", got.Restarts, got.LastErr, handled, open)
		}
	})
}

// A report that fails to be sent does not end the program.
func TestMayFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report := func(context.Context) error { return errors.New("the mail server is down") }
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			g.Go("serve", func(ctx context.Context) error { <-ctx.Done(); return nil })
			// region mayfail
			g.Go("report", report, group.MayFinish(), group.MayFail())
			// endregion
			return g.Run(ctx)
		})
		time.Sleep(time.Minute)
		p.Signal(syscall.SIGTERM)
		r := p.Wait()
		if first := r.Steps[0]; r.ExitCode() != 1 || first.Name != "report" || first.Start != -time.Minute {
			t.Errorf("exit code %d, first step %+v; want 1, the report's failure a minute before the stop", r.ExitCode(), first)
		}
	})
}
