//go:build unix

package sdnotify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/sdnotify"
)

// A manager is systemd's side of the socket.
type manager struct {
	t    *testing.T
	path string
	conn *net.UnixConn
	got  chan string
}

// listen makes a manager, and sets NOTIFY_SOCKET.
func listen(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // the path of t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, path: filepath.Join(dir, "notify"), got: make(chan string, 1000)}
	m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", m.path)
	done := make(chan struct{})
	go m.read(done)
	t.Cleanup(func() {
		_ = m.conn.Close()
		<-done
		_ = os.RemoveAll(dir)
	})
	return m
}

func (m *manager) read(done chan struct{}) {
	defer close(done)
	buf := make([]byte, 1<<16)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			return
		}
		m.got <- string(buf[:n])
	}
}

// next waits for a message.
func (m *manager) next() string {
	m.t.Helper()
	select {
	case msg := <-m.got:
		return msg
	case <-time.After(time.Minute):
		m.t.Fatal("no message")
		return ""
	}
}

// all returns all messages that have been sent.
func (m *manager) all() (got []string) {
	m.t.Helper()
	const last = "last message"
	conn, err := net.Dial("unixgram", m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(last)); err != nil {
		m.t.Fatal(err)
	}
	for msg := m.next(); msg != last; msg = m.next() {
		got = append(got, msg)
	}
	return got
}

// want compares all messages. Line breaks are written as " | ". The position that a step waits at is
// left out, since it has line numbers of this file.
func (m *manager) want(want ...string) {
	m.t.Helper()
	got := m.all()
	for i := range got {
		got[i] = waitsFor.ReplaceAllString(strings.ReplaceAll(got[i], "\n", " | "), "")
	}
	if d := cmp.Diff(want, got); d != "" {
		m.t.Errorf("messages (-want +got):\n%s", d)
	}
}

var waitsFor = regexp.MustCompile(`, which waits for [^;]* \([a-z]+/[a-z_]+\.go:[0-9]+\)`)

// drain runs a program with Attach in a synctest bubble.
func drain(t *testing.T, c *shutdown.Coordinator, main func(ctx context.Context) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sdnotify.Attach(c)
		c.Run(t.Context(), main)
	})
}

// These are all messages of a stop, in order.
func TestMessagesOfAStop(t *testing.T) {
	m := listen(t)
	c := quiet()
	c.Delay = 5 * s
	drain(t, c, func(ctx context.Context) error {
		c.Register(func(context.Context) error { time.Sleep(1200 * time.Millisecond); return nil }, shutdown.Name("db"))
		if err := sdnotify.Ready(ctx); err != nil {
			return err
		}
		time.AfterFunc(10*s, func() { c.Stop(nil) })
		var g group.Group
		g.Go("http", func(ctx context.Context) error {
			tree.Describe(ctx, func() string { return "3 requests in flight" })
			<-ctx.Done()
			time.Sleep(2500 * time.Millisecond)
			return nil
		})
		return g.Run(ctx)
	})
	// After the delay 15 s are left. main's budget is 14 s: the minimum of db, 1 s, is kept. The
	// group ends by main's deadline, half a second earlier. The timeout is extended to the end of
	// the step, and 3 s more.
	m.want(
		"READY=1 | STATUS=ready",
		"STATUS=still serving for 5s: stop requested | EXTEND_TIMEOUT_USEC=8000000",
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000",
		"EXTEND_TIMEOUT_USEC=17000000", // main; the ends of its task and of db are not much later
		"STATUS=waiting for task http: 3 requests in flight; 14s left | EXTEND_TIMEOUT_USEC=15500000",
		"STATUS=waiting for task http: 3 requests in flight; 13s left | EXTEND_TIMEOUT_USEC=14500000",
		"STATUS=waiting for handler db; 11.5s left | EXTEND_TIMEOUT_USEC=14500000",
		"STATUS=stopped in 8.7s | EXTEND_TIMEOUT_USEC=3000000",
	)
}

// The timeout stays at the end of a stuck step. When the step is abandoned and the next one begins, the
// timeout is extended to the end of that one.
func TestTimeoutIsExtendedForEachStep(t *testing.T) {
	m := listen(t)
	c := quiet()
	c.Grace = 6 * s
	var site string
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		sdnotify.Attach(c)
		stuck := func(context.Context) error { <-release; return nil }
		c.Register(stuck, shutdown.Name("second"), shutdown.Timeout(3400*time.Millisecond))
		c.Register(stuck, shutdown.Name("first"), shutdown.Timeout(2400*time.Millisecond))
		site = c.Run(t.Context(), func(context.Context) error { return nil }).Steps[1].Site
	})
	m.want(
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000",
		"EXTEND_TIMEOUT_USEC=5400000",
		"STATUS=waiting for handler first; 5s left | EXTEND_TIMEOUT_USEC=4400000", // until 5.4 s after the start, unchanged
		"STATUS=waiting for handler first; 4s left | EXTEND_TIMEOUT_USEC=3400000",
		"EXTEND_TIMEOUT_USEC=6400000",
		"STATUS=waiting for handler second; 2.6s left | EXTEND_TIMEOUT_USEC=5400000",
		"STATUS=waiting for handler second; 1.6s left | EXTEND_TIMEOUT_USEC=4400000",
		"STATUS=stopped with failures in 5.8s: handler \"first\" ("+site+"): still running 2.4s after it was told to stop | EXTEND_TIMEOUT_USEC=3000000",
	)
}

// Adding the slack to the longest grace period does not overflow. The watchdog still works.
func TestUnlimitedGraceWithWatchdog(t *testing.T) {
	m := listen(t)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "")
	c := quiet()
	c.Grace = math.MaxInt64
	drain(t, c, func(ctx context.Context) error {
		time.AfterFunc(time.Second, func() { c.Stop(nil) })
		<-ctx.Done()
		time.Sleep(1700 * time.Millisecond)
		return nil
	})
	got := m.all()
	for i, msg := range got {
		_, text, ok := strings.Cut(msg, "EXTEND_TIMEOUT_USEC=")
		usec, err := strconv.ParseInt(text, 10, 64)
		if ok && (err != nil || usec < (3*s).Microseconds()) {
			t.Errorf("message %d of %d: %q", i+1, len(got), msg)
		}
	}
	if d := cmp.Diff([]string{"WATCHDOG=1", "WATCHDOG=1"}, slices.DeleteFunc(got, func(msg string) bool { return msg != "WATCHDOG=1" })); d != "" {
		t.Errorf("watchdog messages (-want +got):\n%s", d)
	}
}

func TestQuiesceSendsOnlyAStatus(t *testing.T) {
	m := listen(t)
	c := quiet()
	c.Delay = 2 * s
	drain(t, c, func(context.Context) error {
		<-c.Quiesce()
		c.Resume()
		<-c.Quiesce()
		return nil
	})
	m.want(
		"STATUS=not ready: a stop was announced",
		"STATUS=ready again",
		"STATUS=not ready: a stop was announced",
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000",
		"STATUS=stopped in 2s | EXTEND_TIMEOUT_USEC=3000000",
	)
}

// A name, a cause or an error with a line break must not add an assignment to a message.
func TestLineBreaksAreReplaced(t *testing.T) {
	m := listen(t)
	c := quiet()
	c.Delay = s
	drain(t, c, func(ctx context.Context) error {
		c.Hold("job\nREADY=1")
		c.Stop(errors.New("a cause\nREADY=1"))
		<-ctx.Done()
		time.Sleep(1500 * time.Millisecond)
		return errors.New("no disk\nREADY=1")
	})
	got := m.all()
	if n := len(got); n < 4 {
		t.Errorf("%d messages, want one of each kind", n)
	}
	for _, msg := range got {
		for line := range strings.Lines(msg) {
			if strings.HasPrefix(line, "READY=1") {
				t.Errorf("a line of the message is %q", line)
			}
		}
	}
}

// systemd drops messages of more than 4096 bytes, and with them the timeout.
func TestLongStatusIsTruncated(t *testing.T) {
	m := listen(t)
	c := quiet()
	long := strings.Repeat("\u00e4", 5000)
	drain(t, c, func(ctx context.Context) error {
		shutdown.SetStatus(ctx, long)
		c.Stop(errors.New(long))
		time.Sleep(1500 * time.Millisecond)
		return errors.New(long)
	})
	got := m.all()
	if n := len(got); n < 3 {
		t.Errorf("%d messages, want one of each kind", n)
	}
	for _, msg := range got {
		if len(msg) > 4096 || !utf8.ValidString(msg) || !strings.Contains(msg, "EXTEND_TIMEOUT_USEC=") {
			t.Errorf("%d bytes: %.100q", len(msg), msg)
		}
	}
}

func TestUnlimitedGrace(t *testing.T) {
	m := listen(t)
	c := quiet()
	c.Grace = math.MaxInt64
	drain(t, c, func(ctx context.Context) error {
		c.Register(func(context.Context) error { time.Sleep(1500 * time.Millisecond); return nil })
		c.Stop(nil)
		time.Sleep(1500 * time.Millisecond)
		return nil
	})
	for _, msg := range m.all() {
		if strings.Contains(msg, "EXTEND_TIMEOUT_USEC=-") {
			t.Errorf("negative time in %q", msg)
		}
	}
}

func TestObserveIsStillCalled(t *testing.T) {
	m := listen(t)
	c := quiet()
	var seen []string
	c.Observe = func(e shutdown.Event) { seen = append(seen, fmt.Sprintf("%T", e)) }
	drain(t, c, func(context.Context) error { return nil })
	want := []string{
		"shutdown.StopRequested", "shutdown.DelayEnded",
		"shutdown.StepEnded", "shutdown.Drained", // of main, which returned before it was told to stop
	}
	if d := cmp.Diff(want, seen); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	m.want(
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000",
		"STATUS=stopped in 0s | EXTEND_TIMEOUT_USEC=3000000",
	)
}

// Until the drain, WATCHDOG=1 is sent if healthy returns nil. During the drain it is sent in any case.
func TestWatchdog(t *testing.T) {
	m := listen(t)
	t.Setenv("WATCHDOG_USEC", "3400000")
	t.Setenv("WATCHDOG_PID", "")
	c := quiet()
	began := time.Time{}
	var calls []time.Duration
	drain(t, c, func(ctx context.Context) error {
		began = time.Now()
		c.Register(func(context.Context) error { time.Sleep(4600 * time.Millisecond); return nil }, shutdown.Name("slow"))
		time.AfterFunc(9*s, func() { c.Stop(nil) })
		return sdnotify.Watchdog(func(context.Context) error {
			calls = append(calls, time.Since(began))
			if len(calls) == 3 {
				return errors.New("no answer")
			}
			return nil
		})(ctx)
	})
	const half = 1700 * time.Millisecond
	if d := cmp.Diff([]time.Duration{0, half, 2 * half, 3 * half, 4 * half, 5 * half}, calls); d != "" {
		t.Errorf("calls of healthy at (-want +got):\n%s", d)
	}
	waiting := func(left, usec int) string {
		return fmt.Sprintf("STATUS=waiting for handler slow; %ds left | EXTEND_TIMEOUT_USEC=%d", left, usec)
	}
	m.want(
		"WATCHDOG=1", "WATCHDOG=1",
		"STATUS=not healthy: no answer", // one of six calls returned an error
		"WATCHDOG=1", "STATUS=healthy again", "WATCHDOG=1", "WATCHDOG=1",
		"WATCHDOG=1", // the drain begins
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000",
		"EXTEND_TIMEOUT_USEC=22000000",
		waiting(19, 22000000),
		"WATCHDOG=1",
		waiting(18, 21000000),
		"WATCHDOG=1",
		"STATUS=stopped in 4.6s | EXTEND_TIMEOUT_USEC=3000000",
	)
}

// Each change of the error is said once, to systemd and in the log. The end of the task's context is
// not the program's state.
func TestWatchdogReportsEachChange(t *testing.T) {
	m := listen(t)
	t.Setenv("WATCHDOG_USEC", "2000000")
	t.Setenv("WATCHDOG_PID", "")
	var log bytes.Buffer
	l := zerolog.New(&log)
	c := quiet()
	c.Logger = &l
	errs := []error{nil, nil, errors.New("disk full"), errors.New("disk full"), errors.New("no\ndisk"), nil, nil}
	drain(t, c, func(ctx context.Context) error {
		var g group.Group
		g.Go("watchdog", sdnotify.Watchdog(func(ctx context.Context) error {
			if len(errs) == 0 {
				c.Stop(nil)
				<-ctx.Done()
				return ctx.Err()
			}
			err := errs[0]
			errs = errs[1:]
			return err
		}))
		return g.Run(ctx)
	})
	m.want(
		"WATCHDOG=1", "WATCHDOG=1",
		"STATUS=not healthy: disk full",
		"STATUS=not healthy: no disk",
		"WATCHDOG=1", "STATUS=healthy again", "WATCHDOG=1",
		"WATCHDOG=1", // the drain begins
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000",
		"EXTEND_TIMEOUT_USEC=23000000",
		"STATUS=stopped in 0s | EXTEND_TIMEOUT_USEC=3000000",
	)
	var lines []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "health") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	want := []string{
		`{"level":"warn","error":"disk full","message":"health check failed: systemd gets no WATCHDOG=1"}`,
		`{"level":"warn","error":"no\ndisk","message":"health check failed: systemd gets no WATCHDOG=1"}`,
		`{"level":"info","message":"health check passes again"}`,
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Errorf("lines of the log (-want +got):\n%s", d)
	}
}

// Outside of a Coordinator's program there is no log to write to, and systemd is told all the same.
func TestWatchdogWithoutACoordinator(t *testing.T) {
	m := listen(t)
	t.Setenv("WATCHDOG_USEC", "2000000")
	t.Setenv("WATCHDOG_PID", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		task := sdnotify.Watchdog(func(context.Context) error {
			if calls++; calls == 3 {
				cancel()
			}
			return errors.New("disk full")
		})
		if err := task(ctx); err != nil {
			t.Errorf("the task returns %v", err)
		}
	})
	m.want("STATUS=not healthy: disk full")
}

// If WATCHDOG_PID is another process, the task does not call healthy.
func TestWatchdogOfAnotherProcess(t *testing.T) {
	m := listen(t)
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", "1")
	c := quiet()
	drain(t, c, func(ctx context.Context) error {
		time.AfterFunc(10*s, func() { c.Stop(nil) })
		return sdnotify.Watchdog(func(context.Context) error { t.Error("healthy was called"); return nil })(ctx)
	})
	m.want(
		"STOPPING=1 | STATUS=stopping | EXTEND_TIMEOUT_USEC=3000000", "EXTEND_TIMEOUT_USEC=23000000",
		"STATUS=stopped in 0s | EXTEND_TIMEOUT_USEC=3000000",
	)
}

func TestReadyFails(t *testing.T) {
	t.Run("invalid WATCHDOG_USEC", func(t *testing.T) {
		m := listen(t)
		for _, value := range []string{"soon", "-1", "9223372036854775807", "18446744073709552"} {
			t.Setenv("WATCHDOG_USEC", value)
			for _, err := range []error{
				sdnotify.Ready(t.Context()),
				sdnotify.Watchdog(func(context.Context) error { return nil })(t.Context()),
			} {
				if err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
					t.Errorf("WATCHDOG_USEC=%s: error %v, want one that names the variable", value, err)
				}
			}
		}
		m.want()
	})
	t.Run("missing socket", func(t *testing.T) {
		t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
		if err := sdnotify.Ready(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v, want os.ErrNotExist", err)
		}
	})
	t.Run("ended context", func(t *testing.T) {
		m := listen(t)
		cause := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if err := sdnotify.Ready(ctx); err != cause {
			t.Errorf("error %v, want the cause", err)
		}
		m.want()
	})
}

// A missing socket does not make the program fail.
func TestMissingSocket(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	c := quiet()
	drain(t, c, func(context.Context) error { return nil })
	if err := c.Report().Err(); err != nil {
		t.Errorf("report: %v", err)
	}
}

// A full socket, which nobody reads, does not delay the stop, and does not make the program fail.
func TestFullSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("on other systems a write to a full socket fails")
	}
	for _, tt := range []struct {
		name string
		main func(context.Context) error
	}{
		{"Ready", sdnotify.Ready},
		{"Watchdog", sdnotify.Watchdog(func(context.Context) error { return nil })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fill(t)
			t.Setenv("WATCHDOG_USEC", "1000000")
			t.Setenv("WATCHDOG_PID", "")
			c := quiet()
			sdnotify.Attach(c)
			r := c.Run(t.Context(), func(ctx context.Context) error {
				time.AfterFunc(100*time.Millisecond, func() { c.Stop(nil) }) // the write blocks by then
				return tt.main(ctx)
			})
			if err := r.Err(); err != nil {
				t.Errorf("report: %v", err)
			}
		})
	}
}

// fill makes a socket with a full buffer, and sets NOTIFY_SOCKET.
func fill(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	w, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for err == nil {
		_ = w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = w.Write([]byte("x"))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

func init() { programs["service"] = runService }

// runService is a service like the one in the package documentation. Its handler returns when standard
// input is closed.
func runService() {
	c := &shutdown.Coordinator{Grace: 10 * s, Logger: nop}
	sdnotify.Attach(c)
	os.Exit(c.Main(func(ctx context.Context) error {
		c.Register(func(context.Context) error { _, err := io.Copy(io.Discard, os.Stdin); return err }, shutdown.Name("db"))
		if err := sdnotify.Ready(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}))
}

// The messages of a real process that gets a real signal.
func TestProcess(t *testing.T) {
	m := listen(t)
	cmd := exec.Command(os.Args[0])
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), childVariable+"=service", "WATCHDOG_USEC=120000000", "WATCHDOG_PID=")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if msg := m.next(); msg != "READY=1\nSTATUS=ready" {
		t.Errorf("first message %q", msg)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var msgs []string
	for len(msgs) == 0 || !strings.HasPrefix(msgs[len(msgs)-1], "STATUS=waiting") {
		msgs = append(msgs, m.next())
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &stderr)
	}
	var got []string
	for _, msg := range append(msgs, m.all()...) {
		first, _, _ := strings.Cut(msg, "\n")
		first, _, _ = strings.Cut(first, ";")
		first, _, _ = strings.Cut(first, " in ")
		if n := len(got); n == 0 || got[n-1] != first {
			got = append(got, first)
		}
	}
	want := []string{"WATCHDOG=1", "STOPPING=1", "EXTEND_TIMEOUT_USEC=12000000", "STATUS=waiting for handler db", "STATUS=stopped"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
}
