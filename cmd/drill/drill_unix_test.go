//go:build unix

package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// held drills with these arguments and returns the exit status and what was said.
func held(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // so that it can be seen that nothing is left behind
	var out, errs strings.Builder
	code = drill(t.Context(), args, &out, &errs)
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return code, out.String(), errs.String()
}

// TestTheControlLosesRequests shows that the load finds losses where there are some. A loss depends on
// microseconds, so the test may need more than one try.
func TestTheControlLosesRequests(t *testing.T) {
	const tries = 20
	for _, m := range []mode{direct, rolling, haproxy} {
		t.Run(string(m), func(t *testing.T) {
			if m == haproxy {
				needHAProxy(t)
			}
			lost := 0
			for try := 0; try < tries && lost == 0; try++ {
				r := drillControl(t, m)
				lost = r.Lost
				checkControl(t, r)
			}
			if lost == 0 {
				t.Errorf("nothing was lost in %d tries", tries)
			}
		})
	}
}

func drillControl(t *testing.T, m mode) *Result {
	t.Helper()
	cfg, err := parseConfig([]string{"-load", "500ms", "-requests", "1000", "-streams", "0", "-silent", "0", "-start", "2m", "-limit", "2m", "--", "unused"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	control, err := controlSubject(false)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{cfg: cfg, mode: m, subject: control, dir: t.TempDir(), progress: newProgress(io.Discard)}
	r, err := s.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkControl checks the results that do not depend on luck.
func checkControl(t *testing.T, r *Result) {
	t.Helper()
	stops := 2
	if r.Mode == direct {
		stops = 1
	}
	if len(r.Stops) != stops {
		t.Fatalf("%d stops, want %d:\n%v", len(r.Stops), stops, r.rows())
	}
	for _, st := range r.Stops {
		if !st.Good || st.Killed || st.Exit <= st.Signal || st.NotReady != nil && *st.NotReady < st.Signal {
			t.Errorf("stop: %+v", st)
		}
		if (st.LastAnswer != nil) && r.Mode == haproxy {
			t.Errorf("behind a proxy the instance that answered last is known: %+v", st)
		}
	}
	if r.Executed == nil {
		t.Errorf("the executed requests are unknown, though the control leaves a record:\n%v", r.rows())
	}
	if r.Sent != r.Answered+r.Lost || r.Lost != len(r.Losses) || r.Sent != len(r.requests) {
		t.Errorf("%d sent, %d answered, %d lost, %d losses, %d requests", r.Sent, r.Answered, r.Lost, len(r.Losses), len(r.requests))
	}
	want := []string{"kept-alive", "new connection", "HTTP/2"}
	if r.Mode == haproxy {
		want = want[:2]
	}
	for n, c := range r.Clients {
		if n >= len(want) || c.Client != want[n] || c.Answered == 0 {
			t.Errorf("clients %+v, want answers to each of %v", r.Clients, want)
		}
	}
	if r.Answered < 1000 {
		t.Errorf("%d answers, want the 1000 that were asked for:\n%v", r.Answered, r.rows())
	}
}

// TestNothingIsLostByAServerThatSaysGoodbye shows that the drill itself loses nothing.
func TestNothingIsLostByAServerThatSaysGoodbye(t *testing.T) {
	t.Setenv(testServer, "polite")
	page := filepath.Join(t.TempDir(), "drill.html")
	code, out, errs := held(t, "-o", "json", "-o", page, "-runs", "2", "-executed", "-", "-load", "500ms", "-requests", "500",
		"-new", "0", "-h2", "0", "-idle", "0", "-silent", "0", "-start", "2m", "-limit", "2m", "--", os.Args[0])
	var doc struct {
		Reports []struct {
			Grade string
			Runs  []struct {
				Sent, Answered, Lost int
				Executed             *int `json:"lost_but_executed"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in %q\n%s", err, out, errs)
	}
	if len(doc.Reports) != 1 || len(doc.Reports[0].Runs) != 2 || doc.Reports[0].Grade > "B" || code != 0 {
		t.Fatalf("exit status %d, %+v; want 0 and one report of two runs\n%s", code, doc, errs)
	}
	for n, r := range doc.Reports[0].Runs {
		if r.Lost != 0 || r.Answered < 500 || r.Sent != r.Answered || r.Executed == nil || *r.Executed != 0 {
			t.Errorf("run %d: %d sent, %d answered, %d lost, %v executed; want at least 500 and none lost", n+1, r.Sent, r.Answered, r.Lost, r.Executed)
		}
	}
	if html, err := os.ReadFile(page); err != nil || !strings.Contains(string(html), "<svg") {
		t.Errorf("no picture on the page: %v", err)
	}
}

func TestBadEnds(t *testing.T) {
	few := []string{"-runs", "1", "-load", "50ms", "-clients", "2", "-new", "1", "-h2", "0", "-idle", "0", "-silent", "1", "-start", "2m"}
	for _, test := range []struct {
		server string
		flags  []string
		want   string
	}{
		{"fails", nil, "grade F\n  server ended with exit status 3\n"},
		{"deaf", []string{"-limit", "300ms"}, "grade F\n  server did not end on SIGTERM and was killed after "},
	} {
		t.Run(test.server, func(t *testing.T) {
			t.Setenv(testServer, test.server)
			code, out, errs := held(t, slices.Concat(few, test.flags, []string{"--", os.Args[0]})...)
			if code != 1 || !strings.Contains(out, test.want) {
				t.Errorf("exit status %d, want 1 and %q:\n%s%s", code, test.want, out, errs)
			}
		})
	}
}

// TestASignalOfItsOwn stops a server that SIGTERM would end at once.
func TestASignalOfItsOwn(t *testing.T) {
	t.Setenv(testServer, "quits")
	code, out, errs := held(t, "-signal", "quit", "-runs", "1", "-load", "200ms", "-clients", "4", "-new", "0", "-h2", "0",
		"-idle", "0", "-silent", "0", "-start", "2m", "-limit", "2m", "--", os.Args[0])
	if want := "exit status 0"; code != 0 || !strings.Contains(out, want) || !strings.Contains(errs, "SIGQUIT to server") {
		t.Errorf("exit status %d, want 0 and %q:\n%s%s", code, want, out, errs)
	}
}

func TestDrillsThatCannotBeHeld(t *testing.T) {
	t.Setenv(testServer, "polite")
	self := os.Args[0]
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"usage", []string{"-nope"}, "drill: flag provided but not defined: -nope"},
		{"no such command", []string{"--", "/no/such/command"}, "/no/such/command: no such file or directory"},
		{"ends at once", []string{"--", "sh", "-c", "echo no database; exit 7"}, "server ended by itself: exit status 7; its output ends with\n\tno database"},
		{"never ready", []string{"-start", "100ms", "--", "sleep", "600"}, "server was not ready within 100ms: nobody listens for http://127.0.0.1:"},
		{"not ready", []string{"-start", "100ms", "-ready-url", "http://127.0.0.1:{{.AdminPort}}/", "--", "sleep", "600"}, "server was not ready within 100ms: no 2xx from http://127.0.0.1:"},
		{"stream without a body", []string{"-stream-url", "http://127.0.0.1:{{.Port}}/", "--", self}, "has no body to stream"},
		{"its child serves on", []string{"-load", "50ms", "-clients", "2", "--", "sh", "-c", `"$0"; true`, self}, "the command must be the server itself"},
		{"no folder for the page", []string{"-o", "/no/such/folder/drill.html", "--", self}, "drill: -o /no/such/folder/drill.html: no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errs := held(t, test.args...)
			if code != 2 || !strings.Contains(errs, test.want) || out != "" {
				t.Errorf("exit status %d, want 2 and %q:\n%s%s", code, test.want, out, errs)
			}
		})
	}
}

func TestACommandThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Setenv(testServer, "deaf")
	cfg, err := parseConfig([]string{"-load", "1h", "-clients", "2", "--", os.Args[0]}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{cfg: cfg, mode: direct, subject: cfg.commandSubject(), dir: t.TempDir(), progress: newProgress(&strings.Builder{})}
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.hold(ctx)
		ended <- err
	}()
	time.Sleep(300 * time.Millisecond) // whatever it has come to
	interrupt()
	if err := <-ended; err == nil {
		t.Error("an interrupted drill has a result")
	}
	for _, i := range s.instances {
		if i.ended != nil {
			<-i.ended // or this never returns
		}
	}
}

func needHAProxy(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err == nil {
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("not on this platform: nobody installs haproxy there")
	}
	t.Skip("there is no haproxy on this machine; Debian has a package of that name")
}
