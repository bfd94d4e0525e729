package shutdown_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/lastcall-go/lastcall/shutdown"
)

// This file tests what a person sees on a terminal that is the child's standard error.

// onTerminal gives the child a terminal as its standard error. seen waits for the child's end, and
// returns the text written to the terminal.
func onTerminal(t *testing.T) (give change, seen func(p *child) string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n, unlock uint32
	control(t, master, syscall.TIOCSPTLCK, &unlock)
	control(t, master, syscall.TIOCGPTN, &n)
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // until there is no child, and no slave here: EIO
		text <- string(b)
	}()
	return func(p *child) { p.cmd.Stderr = slave }, func(p *child) string {
		p.wait()
		_ = slave.Close()
		defer func() { _ = master.Close() }()
		return strings.ReplaceAll(<-text, "\r\n", "\n")
	}
}

func control(t *testing.T, f *os.File, request uintptr, arg *uint32) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
		t.Fatalf("ioctl %x: %v", request, errno)
	}
}

func init() {
	for name, set := range map[string]func(c *shutdown.Coordinator){
		"nothing": func(*shutdown.Coordinator) {},
		"Logger":  func(c *shutdown.Coordinator) { l := zerologTo(os.Stderr); c.Logger = &l },
		"Slog":    func(c *shutdown.Coordinator) { c.Slog = slog.New(slog.NewTextHandler(os.Stderr, nil)) },
	} {
		scenario("terminal: hello, with "+name, func() {
			c := new(shutdown.Coordinator)
			set(c)
			c.Register(says("handler"))
			endMain(c, func(context.Context) error { say("hello"); return nil })
		})
		scenario("terminal: stuck, with "+name, func() {
			c := &shutdown.Coordinator{Grace: pipeGrace}
			set(c)
			c.Register(awaitsStacks(c, pipeGrace/4), shutdown.Reserve(pipeGrace/2))
			c.Register(func(context.Context) error { stuckOnMutex(); return nil }, shutdown.Name("flush"))
			endMain(c, untilStopped)
		})
	}
	scenario("terminal: Exit deferred", func() {
		c := new(shutdown.Coordinator)
		defer c.Exit(0)
		say("hello")
	})
	scenario("terminal: fails", func() { endMain(new(shutdown.Coordinator), func(context.Context) error { return errTest }) })
	scenario("terminal: takes a while", func() {
		endMain(new(shutdown.Coordinator), func(context.Context) error { time.Sleep(1100 * time.Millisecond); return nil })
	})
}

func TestProcessOnATerminal(t *testing.T) {
	t.Parallel()
	const line, timelineStart = `(?m)^.*INF.*stopped.*$`, `(?m)^stopped`
	for _, tt := range []struct {
		scenario string
		stop     bool
		code     int
		want     []string // patterns
		never    []string
	}{
		{scenario: "hello, with nothing", never: []string{`(?s).`}},
		{scenario: "hello, with Slog", never: []string{`level=INFO`, timelineStart}},
		{scenario: "hello, with Logger", never: []string{`"level":"info"`, timelineStart}},
		{scenario: "Exit deferred", never: []string{`(?s).`}},
		{scenario: "takes a while", want: []string{line, timelineStart + ` in .*: main returned$`}},
		{scenario: "fails", code: 1, want: []string{`ERR.*step failed`, timelineStart + ` with failures in .*: it went wrong$`}},
		{
			scenario: "stuck, with nothing", stop: true, code: 1, never: []string{`_seconds`},
			want: []string{
				`(?m)^\S+ ERR step failed step=flush outcome=abandoned waits_for="sync\.\(\*Mutex\)\.Lock < .*stuckOnMutex`, `elapsed=\d\.\d\ds `,
				`(?m)^    1 goroutine \[sync\.Mutex\.Lock\]:\s+internal/sync`, // the stack
				timelineStart + ` with failures in \d\.\d\ds of 2.00s: received signal terminated\n +\+`,
			},
		},
		{scenario: "stuck, with Logger", stop: true, code: 1, want: []string{`"elapsed_seconds":`}, never: []string{timelineStart}},
		{scenario: "stuck, with Slog", stop: true, code: 1, want: []string{`elapsed_seconds=`}, never: []string{timelineStart}},
	} {
		t.Run(tt.scenario, func(t *testing.T) {
			t.Parallel()
			terminal, seen := onTerminal(t)
			p := start(t, "terminal: "+tt.scenario, terminal, with("NO_COLOR=1"))
			if tt.stop {
				p.expect("running")
				p.signal(syscall.SIGTERM)
			}
			text := seen(p)
			p.exits(tt.code)
			for _, pattern := range tt.want {
				if !regexp.MustCompile(pattern).MatchString(text) {
					t.Errorf("the terminal does not show %q:\n%s", pattern, text)
				}
			}
			for _, pattern := range tt.never {
				if regexp.MustCompile(pattern).MatchString(text) {
					t.Errorf("the terminal shows %q:\n%s", pattern, text)
				}
			}
		})
	}
}
