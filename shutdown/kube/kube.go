// Package kube lets a program and the kubelet agree on when the program ends.
//
// Kubernetes deletes a pod in two ways at once: the kubelet runs the preStop hook and then
// sends SIGTERM, while the pod's address is taken out of every proxy and load balancer,
// which takes seconds that nobody reports. A program has to serve until that is done. It can
// wait by itself, after SIGTERM, for the Coordinator's Delay; or have the kubelet wait:
//
//	deletion                              SIGTERM                                     SIGKILL
//	t0                                    t0 + Delay                                  t0 + terminationGracePeriodSeconds
//	│ GET /prestop: Ready() turns false   │ tasks stop, handlers run                  │
//	│ everything is still served          │                                           │
//	├──────────── Delay ──────────────────┼──────────────── drain ────────────┬ 2 s ──┤
//
// The hook announces the stop, and returns when the delay is over; SIGTERM follows, and the
// delay is not waited for again. It does no harm where the hook fails, is called ten times,
// or SIGTERM comes first: there is one delay and one grace period, whatever begins them.
//
//	c := &shutdown.Coordinator{Delay: 5 * time.Second}
//	...
//	c.Start(httpdrain.Serve(&http.Server{Addr: ":9090", Handler: kube.Handler(c)}), shutdown.Name("admin"))
//
// The admin listener comes before anything else is registered, so that it ends last:
// liveness is answered until the exit.
package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Handler serves what a pod is asked, for a listener of its own:
//
//	/readyz   200 while c is ready, 503 from the announcement of the stop on
//	/livez    200 as long as the program answers
//	/prestop  see PreStop
//
// Ready says nothing of what the program has to do before it can serve: where that takes
// time, answer /readyz yourself. A nil c panics.
func Handler(c *shutdown.Coordinator) http.Handler {
	mustNotBeNil("Handler", c)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if c.Ready() {
			say(w, http.StatusOK, "ready")
		} else {
			say(w, http.StatusServiceUnavailable, "stopping")
		}
	})
	mux.Handle("/prestop", PreStop(c))
	return mux
}

// slack is how much later than the end of the grace period SIGTERM may come after a hook
// that has used up all of the pod's: the margin of 2 s that the Coordinator keeps back from
// that, and the second to which the kubelet rounds.
const slack = 3 * time.Second

// PreStop is for the httpGet of a preStop hook. It calls Quiesce, and answers with 200 when
// the delay is over, or at once when the stop begins. Any number of calls share one delay.
//
// If no stop has followed 3 s after the grace period, the pod was not going to end (a hook
// runs as well when a probe restarts another container), and it calls Resume.
//
// It answers GET only, and may be exposed on the pod's network: the most that it can do is
// to keep requests away for a grace period. A nil c panics.
func PreStop(c *shutdown.Coordinator) http.Handler {
	mustNotBeNil("PreStop", c)
	return &preStop{c: c}
}

type preStop struct {
	c *shutdown.Coordinator

	mu        sync.Mutex
	announced time.Time // t0 of the announcement that will be undone
}

func (p *preStop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		say(w, http.StatusMethodNotAllowed, "GET only")
		return
	}
	over := p.c.Quiesce()
	p.undoLater()
	select {
	case <-over:
		say(w, http.StatusOK, "may stop")
	case <-r.Context().Done():
	}
}

// undoLater has the announcement undone if nothing follows it.
func (p *preStop) undoLater() {
	report := p.c.Report()
	if report == nil {
		return // before Run: nothing was announced
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.announced.Equal(report.Began) {
		return
	}
	p.announced = report.Began
	time.AfterFunc(time.Until(report.Began.Add(tree.Sum(report.Grace, slack))), func() { p.undo(report.Began) })
}

// undo resumes, unless the announcement has been undone otherwise and another has come.
func (p *preStop) undo(announced time.Time) {
	if r := p.c.Report(); r != nil && r.Began.Equal(announced) {
		p.c.Resume()
	}
}

// commandLimit bounds PreStopCommand where the pod's grace period is not told. The kubelet
// stops waiting for a hook at the end of that, but does not end its process.
const commandLimit = 10 * time.Minute

// limit is how long the hook may take: a program that hangs must not cost itself all of its
// grace period, of which the delay is half at most.
func limit() time.Duration {
	p, err := new(shutdown.Coordinator).Plan()
	if err != nil || p.Grace == 0 {
		return commandLimit
	}
	return p.Grace / 2
}

// PreStopCommand is the exec form of the hook, for images that have no shell and pods
// whose network the kubelet does not reach: the program, called as "app prestop", asks
// itself. url is that of PreStop, such as http://127.0.0.1:9090/prestop.
//
// It returns nil when the delay is over. It is an error if there is no answer, none within
// half of TERMINATION_GRACE_PERIOD_SECONDS where that is set, or another than 200; the kubelet
// then sends SIGTERM at once, and the program waits by itself. A proxy that the environment
// names is not used.
func PreStopCommand(url string) error {
	if err := checkURL(url); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("kube: %w", err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("kube: the program does not answer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return fmt.Errorf("kube: %s answers %s: %s", url, res.Status, strings.TrimSpace(string(said)))
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("kube: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("kube: %q is not a URL such as http://127.0.0.1:9090/prestop", text)
	}
	return nil
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}

func mustNotBeNil(function string, c *shutdown.Coordinator) {
	if c == nil {
		panic("kube: " + function + " was given a nil Coordinator, at " + site.Caller(3))
	}
}
