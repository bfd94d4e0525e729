// Package kube serves the probes and the preStop hook of a Kubernetes pod.
//
// When a pod is deleted, two things happen at the same time. The kubelet runs the preStop hook and
// then sends SIGTERM. Meanwhile proxies and load balancers remove the pod's address, which takes
// seconds, and Kubernetes does not report when it is done. The program has to serve until then.
// Without a hook, it waits after SIGTERM, for the [shutdown.Coordinator]'s Delay. With the hook of
// this package, the kubelet waits:
//
//	deletion                              SIGTERM                                     SIGKILL
//	t0                                    t0 + Delay                                  t0 + terminationGracePeriodSeconds
//	│ GET /prestop: Ready() turns false   │ tasks stop, handlers run                  │
//	│ everything is still served          │                                           │
//	├──────────── Delay ──────────────────┼──────────────── drain ────────────┬ 2 s ──┤
//
// The hook announces the stop, and returns when the delay is over. SIGTERM follows, and the
// program does not wait for the delay again. The program has one delay and one grace period, which
// begin with the hook or with SIGTERM, whichever comes first. So it also stops in time if the hook
// fails, or is called several times.
//
// Kubernetes does not tell a program its terminationGracePeriodSeconds. If they are not 30, set the
// environment variable TERMINATION_GRACE_PERIOD_SECONDS in the manifest to the same number: the
// Coordinator subtracts the 2 s of the drawing from it. Do not set PRESTOP_SLEEP_SECONDS with this
// hook: it is for a hook that only sleeps.
//
//	c := &shutdown.Coordinator{Delay: 5 * time.Second}
//	...
//	admin := &http.Server{Addr: ":9090", Handler: kube.Handler(c), ReadHeaderTimeout: 5 * time.Second}
//	c.Start(httpdrain.Serve(admin), shutdown.Name("admin"))
//
// Start the admin server before anything else. It then stops last, so the liveness probe is
// answered until the program exits.
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

	"github.com/lastcall-go/lastcall/internal/notify"
	"github.com/lastcall-go/lastcall/internal/site"
	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

// Handler returns a handler for the admin server of a pod. It serves these paths:
//
//	/readyz   200 while c is ready, otherwise 503
//	/livez    200
//	/prestop  see PreStop
//
// c is ready from the start of Run to t0. If the program needs time before it can serve, set c.Warmup:
// /readyz then responds 503 until the program has started. Handler panics if c is nil.
func Handler(c *shutdown.Coordinator) http.Handler {
	mustNotBeNil("Handler", c)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case c.Ready():
			say(w, http.StatusOK, "ready")
		case notify.Warming(c):
			say(w, http.StatusServiceUnavailable, "starting")
		default:
			say(w, http.StatusServiceUnavailable, "stopping")
		}
	})
	mux.Handle("/prestop", PreStop(c))
	return mux
}

// slack is how long after the end of the program's grace period SIGTERM may come if the hook
// uses up the pod's grace period: 2 s, which the Coordinator subtracts from the pod's, and 1 s,
// to which the kubelet rounds.
const slack = 3 * time.Second

// kubelet begins the User-Agent of the kubelet's requests. Its version follows.
const kubelet = "kube-lifecycle/"

// PreStop returns a handler for the httpGet of a preStop hook. It calls c.Quiesce, and responds
// 200 when the delay is over, or when a stop is requested. All calls share one delay. Before c runs,
// and after a stop was requested, the handler responds at once.
//
// If SIGTERM comes while a call of the kubelet still waits for its answer, the hook has used up the
// pod's grace period, and SIGKILL follows in 2 s. In this case the delay ends, and the exit is 1.5 s
// after SIGTERM. The handler knows the kubelet, and PreStopCommand, by the User-Agent
// kube-lifecycle/.
//
// If no stop is requested within the grace period and 3 s more, counted from the first call, the pod
// is not going to end. Then a timer calls c.Resume.
//
// The handler accepts only GET, and refuses requests that a browser makes for a page of another
// site: a link or an image there must not make the pod unready. Any other client that reaches the
// handler can make the pod unready for a grace period, again and again. Its call also begins the
// grace period. If SIGTERM follows before that is over, the program has only the rest of it, at
// least 2 s, or 1.5 s if the client pretends to be the kubelet. Requests in flight that take
// longer than that are cut short. So serve the handler on a port that only the kubelet reaches, or
// on the loopback interface with [PreStopCommand]. PreStop panics if c is nil.
func PreStop(c *shutdown.Coordinator) http.Handler {
	mustNotBeNil("PreStop", c)
	return &preStop{c: c}
}

type preStop struct {
	c *shutdown.Coordinator

	mu        sync.Mutex
	announced time.Time // t0 of the last announcement; a timer will undo it
}

func (p *preStop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		say(w, http.StatusMethodNotAllowed, "GET only")
		return
	}
	if from := r.Header.Get("Sec-Fetch-Site"); from == "cross-site" || from == "same-site" {
		say(w, http.StatusForbidden, "not for the pages of other sites")
		return
	}
	over := p.c.Quiesce()
	p.undoLater()
	answered := func() {}
	if strings.HasPrefix(r.UserAgent(), kubelet) {
		answered = notify.Hook(p.c)
	}
	select {
	case <-over:
		answered()
		say(w, http.StatusOK, "the delay is over")
	case <-r.Context().Done():
		answered()
	}
}

// undoLater undoes the announcement later, if no stop follows.
func (p *preStop) undoLater() {
	report := p.c.Report()
	if report == nil {
		return // before Run there is no announcement
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.announced.Equal(report.Began) {
		return
	}
	p.announced = report.Began
	time.AfterFunc(time.Until(report.Began.Add(tree.Sum(report.Grace, slack))), func() { p.undo(report.Began) })
}

// undo calls Resume, unless this announcement was undone otherwise and there is a new one.
func (p *preStop) undo(announced time.Time) {
	if r := p.c.Report(); r != nil && r.Began.Equal(announced) {
		p.c.Resume()
	}
}

// commandLimit is the timeout of PreStopCommand if the environment does not give the pod's grace
// period. The kubelet stops waiting for a hook at the end of that period, but does not end the
// hook's process.
const commandLimit = 10 * time.Minute

// limit is the timeout of PreStopCommand. If the program hangs, the hook must not use up the
// grace period. The delay is at most half of it.
func limit() time.Duration {
	p, err := new(shutdown.Coordinator).Plan()
	if err != nil || p.Grace == 0 {
		return commandLimit
	}
	return p.Grace / 2
}

// PreStopCommand calls the handler of [PreStop] at url, such as http://127.0.0.1:9090/prestop, and
// returns nil when the delay is over. It is for a preStop hook of the form exec: a second process
// of the program, run as "app prestop", calls the first. The image needs no shell, and the kubelet
// needs no access to the pod's network.
//
// It returns an error if there is no response, if the response is not 200, or if the response
// takes too long: more than half of TERMINATION_GRACE_PERIOD_SECONDS or, if that is not set, more
// than 10 minutes. Nothing else ends the call. If the hook then exits with a status other than 0,
// the kubelet sends SIGTERM at once, and the program waits for the delay, or for the rest of it if
// the call had reached the program. PreStopCommand ignores HTTP_PROXY.
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
	req.Header.Set("User-Agent", kubelet+"exec") // the kubelet waits for this process
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
		body, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		return fmt.Errorf("kube: %s returned %s: %s", url, res.Status, strings.TrimSpace(string(body)))
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
