//go:build unix

package shutdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/signals"
)

// signal sends a signal to the child only.
func (p *child) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// insist sends the signal again and again until the child has ended.
func (p *child) insist(sig syscall.Signal) {
	p.t.Helper()
	for {
		p.signal(sig)
		select {
		case <-p.done:
			return
		case <-time.After(apart):
		}
	}
}

// sleeps returns a handler that sleeps whatever its context does, and says when it begins and ends.
func sleeps(name string, d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		say("%s begins", name)
		time.Sleep(d)
		say("%s ends", name)
		return nil
	}
}

// obeys returns a handler that waits for the end of its context, and says its cause.
func obeys(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		say("%s begins", name)
		<-ctx.Done()
		say("%s: %v", name, context.Cause(ctx))
		return nil
	}
}

func init() {
	scenario("a service", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		endMain(c, untilStopped)
	})
	scenario("a service that takes a moment to stop", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		c.Register(sleeps("slow", 2*time.Second))
		endMain(c, untilStopped)
	})
	scenario("a program that starts slowly", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		say("starting")
		time.Sleep(exitGrace)
		endMain(c, untilStopped)
	})
	scenario("a service that registers HUP", func() {
		c := telling(exitGrace)
		c.Signals = []os.Signal{syscall.SIGHUP, syscall.SIGTERM}
		c.Register(says("last"))
		endMain(c, untilStopped)
	})
	scenario("a service that registers HUP and INT", func() {
		c := telling(exitGrace)
		c.Signals = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM}
		c.Register(says("last"))
		endMain(c, untilStopped)
	})
	scenario("a service that listens to no signal", func() {
		c := telling(exitGrace)
		c.Signals = []os.Signal{}
		c.Register(says("last"))
		// Without a timer, and with nothing else to wait for, Go's runtime ends a program that has
		// no cgo as deadlocked.
		time.AfterFunc(time.Hour, func() {})
		endMain(c, untilStopped)
	})
	scenario("a service with a failing handler that dies by its signal otherwise", func() {
		c := telling(exitGrace)
		c.Reraise = true
		c.Register(func(context.Context) error { return errTest })
		os.Exit(c.Main(untilStopped))
	})
	scenario("a command that dies by its signal", func() {
		c := telling(exitGrace)
		c.Reraise = true
		c.Register(says("last"))
		os.Exit(c.Main(func(ctx context.Context) error {
			return fmt.Errorf("main: %w", untilStopped(ctx))
		}))
	})
	scenario("a command that dies by its signal, if it is stuck", func() {
		c := telling(2 * time.Second)
		c.Reraise = true
		c.Register(says("last"), shutdown.Reserve(time.Second)) // a slow machine takes some of it
		os.Exit(c.Main(func(context.Context) error { say("running"); select {} }))
	})
	scenario("a command that obeys and dies by its signal", func() {
		c := telling(exitGrace)
		c.Reraise = true
		c.Register(says("last"))
		os.Exit(c.Main(func(ctx context.Context) error {
			say("running")
			<-ctx.Done()
			return context.Cause(ctx)
		}))
	})
}

func TestProcessEndsByItsSignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := start(t, "a command that obeys and dies by its signal")
			p.expect("running")
			p.signal(sig)
			p.dies(sig)
			p.said("last")
		})
	}
	t.Run("but not where a step failed", func(t *testing.T) {
		t.Parallel()
		p := start(t, "a service with a failing handler that dies by its signal otherwise")
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.exits(1)
	})
	t.Run("but not where main is stuck", func(t *testing.T) {
		t.Parallel()
		p := start(t, "a command that dies by its signal, if it is stuck")
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.exits(1)
		p.said("last")
	})
	t.Run("but not where main returned an error", func(t *testing.T) {
		t.Parallel()
		p := start(t, "a command that dies by its signal")
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.exits(1)
		p.said("last")
	})
}

func TestProcessSignal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		scenario string
		sig      syscall.Signal
		code     int            // if it exits
		dies     syscall.Signal // if it does not
	}{
		"SIGTERM drains":                      {"a service", syscall.SIGTERM, 0, 0},
		"SIGINT drains":                       {"a service", syscall.SIGINT, 0, 0},
		"SIGHUP kills if it is not listed":    {"a service", syscall.SIGHUP, 0, syscall.SIGHUP},
		"SIGHUP drains if it is listed":       {"a service that registers HUP", syscall.SIGHUP, 0, 0},
		"SIGINT kills if others are listed":   {"a service that registers HUP", syscall.SIGINT, 0, syscall.SIGINT},
		"SIGTERM kills if none is listed":     {"a service that listens to no signal", syscall.SIGTERM, 0, syscall.SIGTERM},
		"SIGQUIT is the operator's tool":      {"a service", syscall.SIGQUIT, 2, 0},
		"SIGKILL kills":                       {"a service", syscall.SIGKILL, 0, syscall.SIGKILL},
		"SIGTERM before Main kills, like any": {"a program that starts slowly", syscall.SIGTERM, 0, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.scenario)
			if tt.scenario == "a program that starts slowly" {
				p.expect("starting")
			} else {
				p.expect("running")
			}
			p.signal(tt.sig)
			switch {
			case tt.dies != 0:
				p.dies(tt.dies)
			case tt.code != 0:
				p.exits(tt.code)
			default:
				p.exits(0)
				p.said("last")
				cause := (&signals.Error{Signal: tt.sig}).Error()
				if got := p.report().Cause; got != cause {
					t.Errorf("Cause = %q, want %q", got, cause)
				}
			}
		})
	}
}

func init() {
	scenario("a service with a delay", func() {
		c := telling(exitGrace)
		c.Delay = exitGrace / 2
		c.Register(says("last"))
		endMain(c, untilStopped)
	})
	scenario("a service with a delay that fails in it", func() {
		c := telling(exitGrace)
		c.Delay = exitGrace / 2
		c.Register(says("last"))
		endMain(c, func(ctx context.Context) error {
			say("running")
			<-c.Stopping()
			return errTest
		})
	})
	scenario("three handlers that obey", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		c.Register(obeys("second"), shutdown.Name("second"))
		c.Register(obeys("first"), shutdown.Name("first"))
		endMain(c, untilStopped)
	})
	scenario("a stuck handler of many", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		c.Register(func(context.Context) error { say("stuck begins"); select {} }, shutdown.Name("stuck"))
		endMain(c, untilStopped)
	})
	scenario("a stuck main", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		endMain(c, func(context.Context) error { say("running"); select {} })
	})
}

// The delay of exitGrace / 2 is far longer than these tests allow for, so an earlier end shows that
// the delay was ended.
func TestProcessSecondSignalInTheDelayEndsIt(t *testing.T) {
	t.Parallel()
	p := start(t, "a service with a delay")
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.expect("stopping")
	time.Sleep(apart)
	p.signal(syscall.SIGINT)
	p.exits(0)
	p.said("last")
	if r := p.report(); !r.Forced || p.ownTime() > exitGrace/2 {
		t.Errorf("Forced = %v after %v, want true before %v", r.Forced, p.ownTime(), exitGrace/2)
	}
}

func TestProcessFailingMainEndsTheDelay(t *testing.T) {
	t.Parallel()
	p := start(t, "a service with a delay that fails in it")
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.exits(1)
	p.said("last")
	if p.ownTime() > exitGrace/2 {
		t.Errorf("exit after %v, want before the delay of %v", p.ownTime(), exitGrace/2)
	}
}

func TestProcessSecondSignalCutsTheRunningStep(t *testing.T) {
	t.Parallel()
	attempt(t, func() error {
		p := start(t, "three handlers that obey")
		p.expect("running")
		p.signal(syscall.SIGTERM)
		p.expect("first begins")
		time.Sleep(apart)
		p.signal(syscall.SIGTERM)
		// The context of the first handler ends with the signal. That of the second ends only at its
		// deadline, so the second is late. On a busy machine it may be abandoned, 50 ms after that.
		p.exits(1)
		if p.step("second").Outcome == "abandoned" {
			return errors.New("the second handler was abandoned")
		}
		p.said("first begins", "first: received signal terminated", "second begins",
			"second: shutdown: the step's deadline has passed", "last")
		if took := p.ownTime(); took > exitGrace/2 {
			t.Errorf("exit %v after t0, want just the minimums of a second each", took)
		}
		return nil
	})
}

// A signal counts as the first one if the stop was begun by something else.
func TestProcessFirstSignalAfterStopDoesNotForce(t *testing.T) {
	t.Parallel()
	p := start(t, "main returns, then a slow handler")
	p.expect("slow begins")
	p.signal(syscall.SIGTERM)
	p.exits(0)
	p.said("slow begins", "slow ends", "last")
	if p.report().Forced {
		t.Error("Forced = true after one signal")
	}
}

func init() {
	scenario("main returns, then a slow handler", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		c.Register(sleeps("slow", time.Second))
		endMain(c, func(context.Context) error { return nil })
	})
}

func TestProcessThirdSignalExitsAtOnce(t *testing.T) {
	t.Parallel()
	for scenario, tt := range map[string]struct{ ready, name string }{
		"a stuck handler of many": {"stuck begins", "stuck"},
		"a stuck main":            {"stopping", "main"},
	} {
		for _, third := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(scenario+", "+third.String(), func(t *testing.T) {
				t.Parallel()
				p := start(t, scenario)
				p.expect("running")
				p.signal(syscall.SIGTERM)
				p.expect(tt.ready)
				time.Sleep(apart)
				p.signal(syscall.SIGINT)
				time.Sleep(apart)
				p.insist(third)
				p.exits(128 + int(third))
				p.logs(`"step":"`+tt.name+`"`, "still running", fmt.Sprintf(`"exit_code":%d`, 128+int(third)), "shutdown/process_")
				if strings.Contains(p.out.String(), "last") {
					t.Errorf("handlers ran after the third signal\n%s", p)
				}
			})
		}
	}
}

func TestProcessBurstOfSignalsIsOneRequest(t *testing.T) {
	t.Parallel()
	attempt(t, func() error {
		p := start(t, "a service that takes a moment to stop")
		p.expect("running")
		for range 100 {
			p.signal(syscall.SIGTERM)
			time.Sleep(100 * time.Microsecond) // the kernel makes one of what is sent at once
		}
		if err := p.exited(0); err != nil {
			return err
		}
		p.said("slow begins", "slow ends", "last")
		if p.report().Forced {
			return errors.New("Forced = true after one burst")
		}
		return nil
	})
}

// Signals that come all the time count as the first, the second and the third.
func TestProcessStormOfSignalsEscalates(t *testing.T) {
	t.Parallel()
	p := start(t, "a stuck handler of many")
	p.expect("running")
	for !p.endsWithin(time.Millisecond) {
		p.signal(syscall.SIGTERM)
	}
	p.exits(128 + int(syscall.SIGTERM))
}

// If many signals come when the drain is nearly over, nothing is lost and the exit status does not
// change.
func TestProcessStormDoesNotKillAQuickDrain(t *testing.T) {
	t.Parallel()
	attempt(t, func() error {
		p := start(t, "a service")
		p.expect("running")
		for {
			select {
			case <-p.done:
				if err := p.exited(0); err != nil { // the drain was not quick
					return err
				}
				p.said("last")
				return nil
			default:
				p.signal(syscall.SIGTERM)
			}
		}
	})
}

// nohup and the background jobs of a shell start programs with ignored signals, which must stay
// ignored.
func TestProcessIgnoredSignalStaysIgnored(t *testing.T) {
	t.Parallel()
	// Go itself keeps only these two signals ignored.
	for sig, name := range map[syscall.Signal]string{syscall.SIGHUP: "HUP", syscall.SIGINT: "INT"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "a service that registers HUP and INT", ignoring(name))
			p.expect("running")
			p.signal(sig)
			time.Sleep(apart)
			if p.out.has("stopping") {
				t.Errorf("it stopped for a signal that was ignored\n%s", p)
			}
			p.signal(syscall.SIGTERM)
			p.exits(0)
			p.said("last")
		})
	}
}

// ignoring starts the child with the signal ignored, as nohup does.
func ignoring(name string) change {
	return func(p *child) {
		p.cmd.Args = []string{"sh", "-c", fmt.Sprintf(`trap "" %s; exec "$0"`, name), p.cmd.Path}
		sh, err := exec.LookPath("sh")
		if err != nil {
			p.t.Skip(err)
		}
		p.cmd.Path = sh
	}
}

func init() {
	scenario("a stop that will be suspended", func() {
		c := telling(suspendGrace)
		c.Register(says("last"), shutdown.Name("last"))
		c.Register(obeys("obedient"), shutdown.Name("obedient"))
		endMain(c, untilStopped)
	})
	scenario("a service whose log only is read", func() {
		c := &shutdown.Coordinator{Grace: suspendGrace}
		c.Register(says("last"), shutdown.Name("last"))
		c.Register(obeys("obedient"), shutdown.Name("obedient"))
		endMain(c, untilStopped)
	})
}

const suspendGrace = time.Second

// suspend stops the child during its drain until its grace period is over.
func (p *child) suspend() {
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.expect("obedient begins")
	p.signal(syscall.SIGSTOP)
	time.Sleep(suspendGrace + apart)
	p.signal(syscall.SIGCONT)
}

func TestProcessSuspendedAcrossTheDeadline(t *testing.T) {
	t.Parallel()
	p := start(t, "a stop that will be suspended")
	p.suspend()
	resumed := time.Now()
	p.exits(1)
	t.Logf("exit %v after SIGCONT", time.Since(resumed))
	if d := time.Since(resumed); d > slack {
		t.Errorf("exit %v after SIGCONT, want at once", d)
	}
	if got := p.step("last").Outcome; got != "skipped" {
		t.Errorf("the handler whose turn came after the deadline was %s, want skipped\n%s", got, p)
	}
	if got := p.step("obedient").Outcome; got != "abandoned" && got != "late" {
		t.Errorf("the handler that was running across the deadline was %s, want abandoned or late", got)
	}
	if strings.Contains(p.out.String(), "last\n") {
		t.Errorf("a handler was started after the deadline\n%s", p)
	}
}

// In production there is only the log: it has to name the steps that did not run, even if the grace
// period is over. It gets some milliseconds for that, which may not be enough on a busy machine, so
// the test may try again.
func TestProcessSuspendedAcrossTheDeadlineSaysSo(t *testing.T) {
	t.Parallel()
	attempt(t, func() error {
		p := start(t, "a service whose log only is read")
		p.suspend()
		p.exits(1)
		for _, part := range []string{`"step":"last"`, `"outcome":"skipped"`, `"step":"obedient"`, "stopped with failures"} {
			if !strings.Contains(p.err.String(), part) {
				return fmt.Errorf("standard error does not have %q\n%s", part, p)
			}
		}
		return nil
	})
}

func init() {
	scenario("a drain whose readers leave", func() {
		c := &shutdown.Coordinator{Grace: exitGrace}
		c.Register(func(context.Context) error {
			return os.WriteFile(os.Getenv("LASTCALL_TEST_FILE"), []byte("saved"), 0o600)
		})
		c.Register(chatter, shutdown.Name("chatter"))
		c.Register(sleeps("pause", time.Second), shutdown.Name("pause"))
		os.Exit(c.Main(untilStopped))
	})
}

// chatter writes to standard output and standard error, whether anybody reads them or not, and then
// fails, so that there is something to log.
func chatter(context.Context) error {
	failed := false
	for range 100 {
		_, err := fmt.Println("chatter")
		_, err2 := fmt.Fprintln(os.Stderr, "chatter")
		failed = failed || err != nil || err2 != nil
		time.Sleep(time.Millisecond)
	}
	if failed {
		return errTest
	}
	return nil
}

// In `service | tee log`, Ctrl-C ends tee as well. The drain must go on.
func TestProcessReadersThatLeaveDoNotKillIt(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"standard output", "standard error", "both"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "saved")
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			p := start(t, "a drain whose readers leave", with("LASTCALL_TEST_FILE="+file), func(p *child) {
				if which != "standard error" {
					p.cmd.Stdout = w
				}
				if which != "standard output" {
					p.cmd.Stderr = w
				}
			})
			w.Close()
			await := func(line string) {
				if which == "standard error" {
					p.expect(line)
				} else {
					awaitLine(t, r, line)
				}
			}
			await("running")
			p.signal(syscall.SIGTERM)
			await("pause begins")
			r.Close()
			p.exits(1) // chatter has failed
			if b, err := os.ReadFile(file); string(b) != "saved" {
				t.Errorf("the last handler's file has %q, %v; want it saved", b, err)
			}
		})
	}
}

// awaitLine reads until it finds this line.
func awaitLine(t *testing.T, r *os.File, line string) {
	t.Helper()
	var got []byte
	b := make([]byte, 256)
	for !strings.Contains(string(got), line+"\n") {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("reading: %v after %q", err, got)
		}
		got = append(got, b[:n]...)
	}
}

func init() {
	scenario("a group in main", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		endMain(c, func(ctx context.Context) error {
			var g group.Group
			for _, name := range []string{"a", "b", "c"} {
				g.Go(name, func(ctx context.Context) error {
					<-ctx.Done()
					say("task %s: %v", name, context.Cause(ctx))
					return ctx.Err()
				})
			}
			say("running")
			return g.Run(ctx)
		})
	})
}

func TestProcessSignalStopsTasksNewestFirst(t *testing.T) {
	t.Parallel()
	p := start(t, "a group in main")
	p.expect("running")
	p.signal(syscall.SIGTERM)
	p.exits(0)
	p.said("task c: received signal terminated", "task b: received signal terminated",
		"task a: received signal terminated", "last")
}

func init() {
	scenario("Exit without Run, with slow handlers", func() {
		c := telling(exitGrace)
		c.Register(says("last"))
		c.Register(sleeps("slow", time.Second))
		c.Exit(3)
	})
	scenario("Exit without Run, with a stuck handler", func() {
		c := telling(exitGrace)
		c.Register(func(context.Context) error { say("slow begins"); select {} }, shutdown.Name("stuck"))
		c.Exit(3)
	})
	scenario("a program that goes on after Run", func() {
		c := telling(exitGrace)
		c.Run(context.Background(), func(context.Context) error { return nil })
		say("over")
		time.Sleep(exitGrace)
	})
	scenario("a program that goes on after Main", func() {
		c := telling(exitGrace)
		c.Main(func(context.Context) error { return nil })
		say("over")
		time.Sleep(exitGrace)
	})
}

func TestProcessSignalDuringExitWithoutRun(t *testing.T) {
	t.Parallel()
	t.Run("counts as the first", func(t *testing.T) {
		t.Parallel()
		p := start(t, "Exit without Run, with slow handlers")
		p.expect("slow begins")
		p.signal(syscall.SIGTERM)
		p.exits(3)
		p.said("slow begins", "slow ends", "last")
	})
	t.Run("ends it the third time", func(t *testing.T) {
		t.Parallel()
		p := start(t, "Exit without Run, with a stuck handler")
		p.expect("slow begins")
		p.insist(syscall.SIGINT)
		p.exits(128 + int(syscall.SIGINT))
		p.logs("still running", `"step":"stuck"`)
	})
}

// The signals are no longer caught after the drain.
func TestProcessSignalAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"a program that goes on after Run", "a program that goes on after Main"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			p := start(t, scenario)
			p.expect("over")
			over := time.Now()
			p.insist(syscall.SIGTERM) // Main drops them for a moment longer, as duplicates
			p.dies(syscall.SIGTERM)
			if d := p.ended.Sub(over); d > slack {
				t.Errorf("signals were caught for %v after the drain", d)
			}
		})
	}
}
