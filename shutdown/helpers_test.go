package shutdown_test

import (
	"bytes"
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A bubble is a Coordinator in a synctest bubble: its clock is virtual, its signals come from the
// test, and its log stays in memory.
type bubble struct {
	*shutdown.Coordinator
	t       *testing.T
	signals chan os.Signal
	log     *buffer
	release chan struct{} // lets everything go that is stuck
	began   time.Time
}

// inBubble calls f with a program whose grace period is 25 s. When f returns, it releases the stuck
// steps, so that no goroutine outlives the test.
func inBubble(t *testing.T, f func(p *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &bubble{
			t: t, log: new(buffer), signals: make(chan os.Signal), release: make(chan struct{}), began: time.Now(),
		}
		p.Coordinator = p.another()
		defer synctest.Wait()
		defer close(p.release)
		f(p)
	})
}

// another returns a second Coordinator in the same bubble.
func (p *bubble) another() *shutdown.Coordinator {
	logger := zerolog.New(p.log)
	c := &shutdown.Coordinator{Grace: 25 * time.Second, Logger: &logger}
	shutdown.SetSignals(c, p.signals)
	return c
}

// now returns the time since the bubble was made.
func (p *bubble) now() time.Duration { return time.Since(p.began) }

// runs calls Run.
func (p *bubble) runs(main func(context.Context) error) *shutdown.Report {
	return p.Run(context.Background(), main)
}

// at calls f at the given time, on another goroutine. At 0 that may be before the test's next
// statement; a nanosecond later everything else is idle.
func (p *bubble) at(after time.Duration, f func()) {
	go func() {
		select {
		case <-time.After(after - p.now()):
			f()
		case <-p.release:
		}
	}()
}

// signalAt sends a signal at the given time.
func (p *bubble) signalAt(after time.Duration, s os.Signal) {
	p.at(after, func() {
		select {
		case p.signals <- s:
		case <-p.release:
		}
	})
}

// hangs is a step that ignores its context until the test is over.
func (p *bubble) hangs(context.Context) error {
	<-p.release
	return nil
}

// takes returns a handler that takes the given time, whatever its context does.
func (p *bubble) takes(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		select {
		case <-time.After(d):
		case <-p.release:
		}
		return nil
	}
}

// obey is a step that returns when its context ends.
func obey(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func nothing(context.Context) error { return nil }

func fails(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// A row has the fields of a step that tests compare.
type row struct {
	Kind        shutdown.StepKind
	Name        string
	Start, Took time.Duration
	Outcome     shutdown.Outcome
}

func rows(r *shutdown.Report) []row {
	got := make([]row, 0, len(r.Steps))
	for _, s := range r.Steps {
		got = append(got, row{s.Kind, s.Name, s.Start, s.Took, s.Outcome})
	}
	return got
}

func wantRows(t *testing.T, r *shutdown.Report, want ...row) {
	t.Helper()
	if d := cmp.Diff(want, rows(r)); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
}

func step(t *testing.T, r *shutdown.Report, name string) shutdown.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Errorf("no step %q in the report:\n%v", name, r)
	return shutdown.Step{}
}

func hasStep(r *shutdown.Report, name string) bool {
	for _, s := range r.Steps {
		if s.Name == name {
			return true
		}
	}
	return false
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// waits returns how long it takes until c is closed.
func (p *bubble) waits(c <-chan struct{}) time.Duration {
	start := p.now()
	<-c
	return p.now() - start
}

// A buffer may be written and read by many goroutines at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A journal records events, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// note returns a handler that records its call.
func (j *journal) note(line string) func(context.Context) error {
	return func(context.Context) error {
		j.add(line)
		return nil
	}
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if d := cmp.Diff(want, j.lines); d != "" {
		t.Errorf("what happened (-want +got):\n%s", d)
	}
}

const (
	sigint  = syscall.SIGINT
	sigterm = syscall.SIGTERM

	ms = time.Millisecond
	s  = time.Second
)
