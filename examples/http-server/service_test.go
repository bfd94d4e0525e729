package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// patience bounds waits for things that happen at once unless the machine is
// overloaded. No test concludes anything from how long a wait took.
const patience = 2 * time.Minute

// A journal keeps the log of a service, and finds the entry with the addresses.
type journal struct {
	mu      sync.Mutex
	text    bytes.Buffer
	partial []byte
	serving chan entry // the entry with the addresses
}

type entry struct{ Message, Page, Admin, Step, Kind, Outcome string }

func newJournal() *journal { return &journal{serving: make(chan entry, 1)} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(p)
	j.partial = append(j.partial, p...)
	for {
		line, rest, whole := bytes.Cut(j.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		j.partial = rest
		if e := parseEntry(line); e.Page != "" {
			j.serving <- e
		}
	}
}

func parseEntry(line []byte) (e entry) {
	_ = json.Unmarshal(line, &e) // other output, such as a panic, gives an empty entry
	return e
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// A service is a running http-server, in this process or in another one.
type service struct {
	page, admin string
	client      *http.Client
	journal     *journal
}

// await waits until the service has logged its addresses.
func await(t *testing.T, j *journal, ended <-chan struct{}) *service {
	t.Helper()
	var e entry
	select {
	case e = <-j.serving:
	case <-ended:
		t.Fatalf("ended before it was serving:\n%s", j)
	case <-time.After(patience):
		t.Fatalf("still not serving:\n%s", j)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1 << 14}
	t.Cleanup(transport.CloseIdleConnections)
	return &service{
		page:    strings.TrimSuffix(e.Page, "/"),
		admin:   strings.TrimSuffix(e.Admin, "/state"),
		client:  &http.Client{Transport: transport},
		journal: j,
	}
}

// do sends a request. An error means that there was no complete response.
func (s *service) do(ctx context.Context, method, url string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func (s *service) get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	code, body, err := s.do(t.Context(), "GET", url)
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", url, err, s.journal)
	}
	return code, body
}

// state asks the admin listener, which answers until the exit.
func (s *service) state(t *testing.T) (st state) {
	t.Helper()
	_, body := s.get(t, s.admin+"/state")
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		t.Fatalf("state %q: %v", body, err)
	}
	return st
}

// until polls the state until ok accepts it.
func (s *service) until(t *testing.T, what string, ok func(state) bool) state {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		st := s.state(t)
		if ok(st) {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s: %+v\n%s", what, st, s.journal)
		}
	}
}

// inProcess is a service in this process. Its Coordinator handles no signals.
type inProcess struct {
	*service
	coordinator *shutdown.Coordinator
	db          string
	report      func() *shutdown.Report // waits until the service has stopped
}

// startInProcess starts a service, and returns when it is ready.
func startInProcess(t *testing.T, grace, delay time.Duration, change ...func(*config)) inProcess {
	t.Helper()
	s := startFilling(t, grace, delay, 0, change...)
	s.until(t, "ready", func(st state) bool { return st.Phase == ready })
	return s
}

// startFilling starts a service whose database takes the given time to be filled.
func startFilling(t *testing.T, grace, delay, warmup time.Duration, change ...func(*config)) inProcess {
	t.Helper()
	j := newJournal()
	log := zerolog.New(j)
	cfg := config{addr: "127.0.0.1:0", admin: "127.0.0.1:0", db: filepath.Join(t.TempDir(), "orders.db"), warmup: warmup}
	for _, f := range change {
		f(&cfg)
	}
	c := &shutdown.Coordinator{Grace: grace, Delay: delay, Warmup: warmup + maxStart, Signals: []os.Signal{}, Logger: &log}

	var report *shutdown.Report
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		report = c.Run(t.Context(), func(ctx context.Context) error { return run(ctx, cfg, log) })
	}()
	wait := func() *shutdown.Report { <-ended; return report }
	t.Cleanup(func() { c.Stop(nil); wait() })
	return inProcess{await(t, j, ended), c, cfg.db, wait}
}
