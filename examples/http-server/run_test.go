package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

func TestServesDuringTheDelay(t *testing.T) {
	s := startInProcess(t, time.Minute, time.Millisecond)
	if code, _ := s.get(t, s.admin+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz = %d before the stop, want 200", code)
	}

	// Quiesce does not end the program, so the test may take its time.
	<-s.coordinator.Quiesce()
	if code, _ := s.get(t, s.admin+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz = %d during the delay, want 503", code)
	}
	if st := s.state(t); st.Phase != delaying || st.LeftMS == nil {
		t.Errorf("state during the delay: %+v, want %q and the time left", st, delaying)
	}
	if code, body, err := s.do(t.Context(), "POST", s.page+"/orders?item=tea"); code != http.StatusCreated {
		t.Errorf("POST during the delay = %d %q, %v, want 201", code, body, err)
	}

	s.coordinator.Stop(nil)
	if r := s.report(); r.ExitCode() != 0 {
		t.Errorf("exit code %d, want 0:\n%v", r.ExitCode(), r)
	}
}

func TestAdminListenerShowsTheDrainOfWorkInFlight(t *testing.T) {
	s := startInProcess(t, time.Minute, 0)
	type answer struct {
		code int
		body string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		code, body, err := s.do(t.Context(), "GET", s.page+"/work?for=2s")
		answers <- answer{code, body, err}
	}()
	s.until(t, "working", func(st state) bool { return st.InFlight == 1 })

	s.coordinator.Stop(nil)
	st := s.until(t, "draining", func(st state) bool { return st.Phase == draining })
	if st.LeftMS == nil || *st.LeftMS > time.Minute.Milliseconds() {
		t.Errorf("time left: %v, want at most the grace period", st.LeftMS)
	}
	if a := <-answers; a.code != http.StatusOK || a.body != "worked for 2s\n" {
		t.Errorf("work = %d %q, %v, want an answer", a.code, a.body, a.err)
	}

	r := s.report()
	if r.Err() != nil || len(r.Leaks) > 0 {
		t.Errorf("want no error and no leaks:\n%v", r)
	}
	if diff := cmp.Diff([]string{"http", "db", "admin"}, ended(r, "http", "db", "admin")); diff != "" {
		t.Errorf("order of the steps, want -, got +:\n%s\n%v", diff, r)
	}
}

// ended returns those of the names that are steps of r, in the order in which they ended.
func ended(r *shutdown.Report, names ...string) (order []string) {
	for _, step := range r.Steps {
		for _, name := range names {
			if step.Name == name {
				order = append(order, name)
			}
		}
	}
	return order
}

func TestWorkThatTakesTooLongIsInterrupted(t *testing.T) {
	s := startInProcess(t, 10*time.Second, 0) // so that a busy machine has time for the answer
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		code, body, err := s.do(t.Context(), "GET", s.page+"/work?for=1m")
		if code != http.StatusServiceUnavailable || !strings.Contains(body, "interrupted") || err != nil {
			t.Errorf("work = %d %q, %v, want 503, interrupted", code, body, err)
		}
	}()
	s.until(t, "working", func(st state) bool { return st.InFlight == 1 })
	if code, _, err := s.do(t.Context(), "POST", s.page+"/orders?item=tea"); code != http.StatusCreated {
		t.Fatalf("POST = %d, %v", code, err)
	}

	s.coordinator.Stop(nil)
	r := s.report()
	if want := "1 request cut short: GET /work, answered"; r.ExitCode() != 1 || r.Took > r.Grace || !strings.Contains(r.String(), want) {
		t.Errorf("exit code %d, took %v of %v, want 1, in time, and %q:\n%v", r.ExitCode(), r.Took, r.Grace, want, r)
	}
	<-answered
	if n, err := newStore(t, s.db).count(t.Context()); n != 1 || err != nil {
		t.Errorf("%d orders in the database, %v, want 1", n, err)
	}
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, flag := range []string{"addr", "admin"} {
		cfg := config{addr: "127.0.0.1:0", admin: "127.0.0.1:0", db: filepath.Join(t.TempDir(), "orders.db")}
		*map[string]*string{"addr": &cfg.addr, "admin": &cfg.admin}[flag] = taken.Addr().String()

		log := zerolog.Nop()
		c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &log}
		r := c.Run(t.Context(), func(ctx context.Context) error { return run(ctx, cfg, log) })
		if r.ExitCode() != 1 || !strings.Contains(r.Err().Error(), "-"+flag+" ") {
			t.Errorf("-%s: exit code %d, error %v, want 1 and the flag's name", flag, r.ExitCode(), r.Err())
		}
	}
}

func TestAddressIsPrintedOnATerminal(t *testing.T) {
	var terminal bytes.Buffer
	j := newJournal()
	log := zerolog.New(j)
	cfg := config{addr: "127.0.0.1:0", admin: "127.0.0.1:0", db: filepath.Join(t.TempDir(), "orders.db"), terminal: &terminal}
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &log}
	page := make(chan string, 1)
	go func() {
		page <- (<-j.serving).Page
		c.Stop(nil)
	}()
	if r := c.Run(t.Context(), func(ctx context.Context) error { return run(ctx, cfg, log) }); r.ExitCode() != 0 {
		t.Fatalf("exit code %d, want 0: %v\n%s", r.ExitCode(), r.Err(), j)
	}
	if got, want := terminal.String(), <-page+"\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestStopDuringTheStart(t *testing.T) {
	cfg := config{addr: "127.0.0.1:0", admin: "127.0.0.1:0", db: filepath.Join(t.TempDir(), "orders.db")}
	log := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &log}
	c.Stop(nil)
	if r := c.Run(t.Context(), func(ctx context.Context) error { return run(ctx, cfg, log) }); r.ExitCode() != 0 {
		t.Errorf("exit code %d, want 0: %v", r.ExitCode(), r.Err())
	}
}

func TestStartThatTakesTime(t *testing.T) {
	s := startFilling(t, time.Minute, time.Minute, time.Hour)
	if code, body := s.get(t, s.page+"/"); code != http.StatusOK || !strings.Contains(body, "Starting") {
		t.Errorf("the page = %d while the database is filled, want 200", code)
	}
	if code, body := s.get(t, s.admin+"/readyz"); code != http.StatusServiceUnavailable || body != "starting\n" {
		t.Errorf("/readyz = %d %q while the database is filled, want 503 and starting", code, body)
	}
	if code, _, err := s.do(t.Context(), "POST", s.page+"/orders?item=tea"); code != http.StatusServiceUnavailable {
		t.Errorf("an order = %d, %v while the database is filled, want 503", code, err)
	}
	if st := s.state(t); st.Phase != starting {
		t.Errorf("the state is %+v, want %q", st, starting)
	}
	s.coordinator.Stop(nil) // the delay of a minute does not apply: the program was never ready
	if r := s.report(); r.ExitCode() != 0 || r.Took > time.Minute/2 {
		t.Errorf("exit code %d, want 0, at once:\n%v", r.ExitCode(), r)
	}
}
