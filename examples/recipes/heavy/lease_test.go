package heavy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	coordination "k8s.io/api/coordination/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A leader works while it holds a lease. Of several instances only one does.
type leader struct {
	name   string                          // of the pod
	leases coordinationclient.LeasesGetter // clientset.CoordinationV1()
	work   func(context.Context) error
}

// region lease
func (l *leader) run(ctx context.Context) error {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  meta.ObjectMeta{Namespace: "shop", Name: "orders"},
		Client:     l.leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: l.name},
	}
	var g group.Group
	g.Go("lease", func(ctx context.Context) error {
		e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock,
			// From the loss of the lease on, the work has 30 s - 10 s - 2 s until another instance leads.
			LeaseDuration: 30 * time.Second,
			RenewDeadline: 10 * time.Second,
			RetryPeriod:   2 * time.Second,
			Callbacks: leaderelection.LeaderCallbacks{
				// The work is added last, so it stops first, and the lease is renewed until it has ended.
				OnStartedLeading: func(context.Context) { g.Go("work", l.work, group.Timeout(15*time.Second)) },
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			return err
		}
		e.Run(ctx)
		if ctx.Err() == nil {
			return errors.New("the lease is lost") // this stops the work
		}
		if !e.IsLeader() {
			return nil
		}
		return release(group.WorkContext(ctx), lock)
	})
	return g.Run(ctx)
}

// release lets another instance lead at once. ReleaseOnCancel of client-go does so as well, but
// also when the lease is lost: there it tries for another 10 s before the work is told to stop.
func release(ctx context.Context, lock resourcelock.Interface) error {
	record, _, err := lock.Get(ctx)
	if err != nil || record.HolderIdentity != lock.Identity() {
		return err
	}
	record.HolderIdentity, record.LeaseDurationSeconds = "", 1
	return lock.Update(ctx, *record)
}

// endregion

// Two instances compete for the lease. They never work at the same time.
func TestLease(t *testing.T) {
	const job = 4 * time.Second // how long a leader still works after it was told to stop
	for _, tt := range []struct {
		name      string
		end       func(first *shutdowntest.Program, connection *unreliable)
		wantError string
	}{
		{
			"the leader stops",
			func(first *shutdowntest.Program, _ *unreliable) { first.Signal(syscall.SIGTERM) },
			"",
		},
		{
			"the leader loses its connection for ever",
			func(_ *shutdowntest.Program, connection *unreliable) { connection.broken.Store(true) },
			"the lease is lost",
		},
		{
			"the leader loses its connection until after the deadline for a renewal",
			func(_ *shutdowntest.Program, connection *unreliable) {
				connection.broken.Store(true)
				time.AfterFunc(13*time.Second, func() { connection.broken.Store(false) })
			},
			"the lease is lost",
		},
		{
			"the connection is lost for a moment",
			func(first *shutdowntest.Program, connection *unreliable) {
				connection.broken.Store(true)
				time.AfterFunc(5*time.Second, func() { connection.broken.Store(false) })
				time.AfterFunc(50*time.Second, func() { first.Signal(syscall.SIGTERM) })
			},
			"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := fake.NewClientset().CoordinationV1()
				var log events
				start := func(name string, leases coordinationclient.LeasesGetter) *shutdowntest.Program {
					c := shutdowntest.New(t)
					c.Grace = 25 * time.Second
					return shutdowntest.Start(t, c, (&leader{name, leases, func(ctx context.Context) error {
						log.add(name + " begins")
						defer log.add(name + " ends")
						<-ctx.Done()
						return sleep(group.WorkContext(ctx), job)
					}}).run)
				}
				connection := &unreliable{LeasesGetter: server}
				first := start("a", connection)
				time.Sleep(time.Second)
				second := start("b", server)
				time.Sleep(time.Minute)

				tt.end(first, connection)
				err := first.Wait().Err()
				if got := errorText(err); (got == "") != (tt.wantError == "") || !strings.Contains(got, tt.wantError) {
					t.Errorf("report.Err() = %q, want %q", got, tt.wantError)
				}
				first.NothingStuck()
				time.Sleep(time.Minute)
				second.Signal(syscall.SIGTERM)
				second.Clean()
				if got, want := log.list(), []string{"a begins", "a ends", "b begins", "b ends"}; !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			})
		})
	}
}

// The next instance leads as soon as the lease is released. Without that it would have to wait
// for the end of the lease.
func TestLeaseIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := fake.NewClientset().CoordinationV1()
		p := shutdowntest.Start(t, nil, (&leader{"a", server, func(ctx context.Context) error { <-ctx.Done(); return nil }}).run)
		time.Sleep(time.Second)
		p.Stop(nil)
		p.Clean()
		p.Order("main", "work", "lease")
		lease, err := server.Leases("shop").Get(t.Context(), "orders", meta.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if holder := *lease.Spec.HolderIdentity; holder != "" {
			t.Errorf("the lease is held by %q after the end", holder)
		}
	})
}

// An unreliable connection to the server of the leases: while it is broken, no call returns before
// its context ends.
type unreliable struct {
	coordinationclient.LeasesGetter
	broken atomic.Bool
}

func (u *unreliable) Leases(namespace string) coordinationclient.LeaseInterface {
	return &unreliableLeases{u.LeasesGetter.Leases(namespace), u}
}

type unreliableLeases struct {
	coordinationclient.LeaseInterface
	u *unreliable
}

func (l *unreliableLeases) Get(ctx context.Context, name string, opts meta.GetOptions) (*coordination.Lease, error) {
	if err := l.u.wait(ctx); err != nil {
		return nil, err
	}
	return l.LeaseInterface.Get(ctx, name, opts)
}

func (l *unreliableLeases) Update(ctx context.Context, lease *coordination.Lease, opts meta.UpdateOptions) (*coordination.Lease, error) {
	if err := l.u.wait(ctx); err != nil {
		return nil, err
	}
	return l.LeaseInterface.Update(ctx, lease, opts)
}

// wait looks each second whether the connection is there.
func (u *unreliable) wait(ctx context.Context) error {
	for u.broken.Load() {
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// events are what has happened, in order.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) list() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
