package recipes_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A leader works while it holds a lease. Of several instances only one does.
type leader struct {
	work func(context.Context) error
	// newElector makes what competes for the lease, such as a LeaderElector of client-go: its
	// OnStartedLeading is started, and ReleaseOnCancel is true.
	newElector func(started func(context.Context)) (elector, error)
}

// An elector has the Run of client-go's LeaderElector: it takes the lease, calls started on
// another goroutine, and renews the lease. When ctx ends it releases the lease and returns. If
// the lease is lost it returns as well.
type elector interface{ Run(context.Context) }

// region lease
func (l *leader) run(ctx context.Context) error {
	var g group.Group
	g.Go("lease", func(ctx context.Context) error {
		// The work is added last, so it stops first: the lease is released after it has ended.
		e, err := l.newElector(func(context.Context) { g.Go("work", l.work) })
		if err != nil {
			return err
		}
		e.Run(ctx)
		if ctx.Err() == nil {
			return errors.New("the lease is lost") // this stops the work
		}
		return nil
	})
	return g.Run(ctx)
}

// endregion

func TestLease(t *testing.T) {
	for _, tt := range []struct {
		name      string
		taken     bool // by another instance, for ever
		lostAfter time.Duration
		stop      bool
		want      []string
		wantError string
	}{
		{"the work ends before the lease is released", false, 0, true, []string{"work begins", "work ended", "released"}, ""},
		{"the lease is lost", false, 5 * time.Second, false, []string{"work begins", "lost", "work ended"}, "the lease is lost"},
		{"another instance leads", true, 0, true, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log events
				l := &leader{
					work: func(ctx context.Context) error {
						log.add("work begins")
						<-ctx.Done()
						err := sleep(group.WorkContext(ctx), 2*time.Second) // the job in hand
						log.add("work ended")
						return err
					},
					newElector: func(started func(context.Context)) (elector, error) {
						return &fakeElector{log: &log, started: started, taken: tt.taken, lostAfter: tt.lostAfter}, nil
					},
				}
				p := shutdowntest.Start(t, nil, l.run)
				time.Sleep(time.Second)
				if tt.stop {
					p.Signal(syscall.SIGTERM)
				}
				got := errorText(p.Wait().Err())
				if (got == "") != (tt.wantError == "") || !strings.Contains(got, tt.wantError) {
					t.Errorf("report.Err() = %q, want %q", got, tt.wantError)
				}
				if got := log.list(); !slices.Equal(got, tt.want) {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		})
	}
}

// A fakeElector does what client-go's LeaderElector does, in the same order.
type fakeElector struct {
	log       *events
	started   func(context.Context)
	taken     bool
	lostAfter time.Duration // 0: never
}

func (e *fakeElector) Run(ctx context.Context) {
	if e.taken {
		<-ctx.Done()
		return
	}
	leading, cancel := context.WithCancel(ctx)
	defer cancel()
	go e.started(leading)
	var lost <-chan time.Time
	if e.lostAfter > 0 {
		lost = time.After(e.lostAfter)
	}
	select {
	case <-ctx.Done():
		e.log.add("released")
	case <-lost:
		e.log.add("lost")
	}
}
