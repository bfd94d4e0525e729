package group_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
)

var errBoom = errors.New("boom")

// A task is the signature of all functions that this module calls.
type task = func(context.Context) error

// A diary records what happens in a bubble, and when.
type diary struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func newDiary() *diary { return &diary{start: time.Now()} }

func (d *diary) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%v %s", time.Since(d.start), what))
}

func (d *diary) check(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, d.lines); diff != "" {
		t.Errorf("what happened (-want +got):\n%s", diff)
	}
}

// obeys returns a task that needs some time to end after it was told to stop.
func (d *diary) obeys(name string, needs time.Duration) task {
	return func(ctx context.Context) error {
		<-ctx.Done()
		d.note(name + " told")
		time.Sleep(needs)
		d.note(name + " ends")
		return nil
	}
}

// hangs returns a task that notes the request to stop and its deadline, and returns only after
// release.
func (d *diary) hangs(name string, release <-chan struct{}) task {
	return func(ctx context.Context) error {
		work := group.WorkContext(ctx)
		<-ctx.Done()
		d.note(name + " told")
		<-work.Done()
		d.note(name + " deadline")
		<-release
		return nil
	}
}

// waits is a task that waits for the end of its context and returns the context's error.
func waits(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// fails returns a task that ends by itself.
func fails(after time.Duration, err error) task {
	return func(ctx context.Context) error {
		select {
		case <-time.After(after):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// started runs g, in a bubble, until all of its tasks wait for something.
func started(ctx context.Context, g *group.Group) (wait func() error) {
	result := make(chan error, 1)
	go func() { result <- g.Run(ctx) }()
	synctest.Wait()
	return func() error { return <-result }
}

// failures abbreviates err: "outer/inner: what was wrong" for each task.
func failures(err error) []string {
	switch e := err.(type) {
	case nil:
		return nil
	case *group.TaskError:
		fs := failures(e.Err)
		for i, f := range fs {
			sep := ": "
			if nested(e.Err) {
				sep = "/"
			}
			fs[i] = e.Name + sep + f
		}
		return fs
	case *group.StuckError:
		return []string{fmt.Sprintf("stuck %v", e.Elapsed)}
	}
	if fmt.Sprintf("%T", err) != "*errors.joinError" {
		return []string{err.Error()}
	}
	var fs []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		fs = append(fs, failures(e)...)
	}
	return fs
}

func nested(err error) bool {
	switch e := err.(type) {
	case *group.TaskError:
		return true
	case interface{ Unwrap() []error }:
		return nested(e.Unwrap()[0])
	}
	return false
}

func checkFailures(t *testing.T, err error, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, failures(err)); diff != "" {
		t.Errorf("Run's error (-want +got):\n%s", diff)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
