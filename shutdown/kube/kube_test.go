package kube_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/kube"
	"github.com/lastcall-go/lastcall/signals"
)

const s = time.Second

// A pod is a program in a synctest bubble. Its methods do what the kubelet does.
type pod struct {
	*shutdown.Coordinator
	t       *testing.T
	began   time.Time
	handler http.Handler
	told    time.Duration // when main was told to stop
	report  *shutdown.Report
	done    chan struct{}
}

// inPod runs a program with a grace period of 20 s and a delay of 5 s, whose main returns when it
// is told to stop. It calls f, and then stops the program if that is still running.
func inPod(t *testing.T, f func(p *pod)) *pod {
	t.Helper()
	return inPodFor(t, 20*s, f)
}

func inPodFor(t *testing.T, grace time.Duration, f func(p *pod)) *pod {
	t.Helper()
	var p *pod
	synctest.Test(t, func(t *testing.T) {
		logger := zerolog.Nop()
		c := &shutdown.Coordinator{Grace: grace, Delay: 5 * s, Signals: []os.Signal{}, Logger: &logger}
		p = &pod{Coordinator: c, t: t, began: time.Now(), handler: kube.Handler(c), done: make(chan struct{})}
		go func() {
			defer close(p.done)
			p.report = c.Run(context.Background(), func(ctx context.Context) error {
				<-ctx.Done()
				p.told = p.now()
				return nil
			})
		}()
		synctest.Wait()
		f(p)
		c.Stop(nil)
		<-p.done
	})
	return p
}

func (p *pod) now() time.Duration { return time.Since(p.began) }

// get sends a GET request. It returns the status, and the time of the response.
func (p *pod) get(path string) (code int, at time.Duration) {
	p.t.Helper()
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, p.now()
}

// sigterm stops the program as SIGTERM does.
func (p *pod) sigterm() { p.Stop(&signals.Error{Signal: syscall.SIGTERM}) }

func (p *pod) wantGet(path string, code int, at time.Duration) {
	p.t.Helper()
	if gotCode, gotAt := p.get(path); gotCode != code || gotAt != at {
		p.t.Errorf("GET %s: %d at %v, want %d at %v", path, gotCode, gotAt, code, at)
	}
}

func TestProbes(t *testing.T) {
	inPod(t, func(p *pod) {
		p.wantGet("/readyz", 200, 0)
		p.wantGet("/livez", 200, 0)
		p.wantGet("/nowhere", 404, 0)
		p.Quiesce()
		p.wantGet("/readyz", 503, 0)
		p.wantGet("/livez", 200, 0)
		p.sigterm()
		<-p.done
		p.wantGet("/readyz", 503, 5*s)
		p.wantGet("/livez", 200, 5*s)
	})
}

func TestHookThenSIGTERMWaitsOnce(t *testing.T) {
	p := inPod(t, func(p *pod) {
		p.wantGet("/prestop", 200, 5*s)
		p.wantGet("/readyz", 503, 5*s)
		time.Sleep(20 * time.Millisecond) // the kubelet takes about as long
		p.sigterm()
	})
	if want := 5*s + 20*time.Millisecond; p.told != want || p.report.Grace != 20*s {
		t.Errorf("told to stop at %v, grace %v; want %v and 20s", p.told, p.report.Grace, want)
	}
}

func TestSIGTERMDuringTheHookReleasesIt(t *testing.T) {
	p := inPod(t, func(p *pod) {
		go func() {
			time.Sleep(2 * s)
			p.sigterm()
		}()
		p.wantGet("/prestop", 200, 2*s)
	})
	if p.told != 5*s {
		t.Errorf("told to stop at %v, want 5s, at the end of the delay", p.told)
	}
}

func TestSIGTERMBeforeTheHook(t *testing.T) {
	p := inPod(t, func(p *pod) {
		p.sigterm()
		time.Sleep(s)
		p.wantGet("/prestop", 200, s) // at once
	})
	if p.told != 5*s {
		t.Errorf("told to stop at %v, want 5s", p.told)
	}
}

func TestTenHooksShareOneDelay(t *testing.T) {
	p := inPod(t, func(p *pod) {
		var hooks sync.WaitGroup
		for i := range 10 {
			hooks.Go(func() {
				time.Sleep(time.Duration(i) * s / 4)
				p.wantGet("/prestop", 200, 5*s)
			})
		}
		hooks.Wait()
		p.wantGet("/prestop", 200, 5*s) // after the delay: returns at once
		p.sigterm()
	})
	if p.told != 5*s {
		t.Errorf("told to stop at %v, want 5s", p.told)
	}
}

func TestHookWithoutStopIsUndone(t *testing.T) {
	p := inPod(t, func(p *pod) {
		p.wantGet("/prestop", 200, 5*s)
		p.wantGet("/prestop", 200, 5*s)
		time.Sleep(18*s - 1) // 1 ns before the end of the grace period of 20 s and the slack of 3 s
		p.wantGet("/readyz", 503, 23*s-1)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		p.wantGet("/readyz", 200, 23*s)

		// A second hook works like the first. The timer of the first does not undo it.
		time.Sleep(s)
		p.wantGet("/prestop", 200, 29*s)
		time.Sleep(17 * s)
		p.wantGet("/readyz", 503, 46*s)
		p.sigterm() // the delay is over
	})
	if p.told != 46*s || p.report.Grace != 20*s {
		t.Errorf("told to stop at %v, grace %v; want 46s and 20s", p.told, p.report.Grace)
	}
}

// Adding the slack to the longest grace period does not overflow.
func TestHookWithUnlimitedGraceIsNotUndone(t *testing.T) {
	p := inPodFor(t, math.MaxInt64, func(p *pod) {
		p.wantGet("/prestop", 200, 5*s)
		time.Sleep(1000 * time.Hour)
		p.wantGet("/readyz", 503, 5*s+1000*time.Hour)
		p.sigterm()
	})
	if want := 5*s + 1000*time.Hour; p.told != want {
		t.Errorf("told to stop at %v, want %v", p.told, want)
	}
}

func TestResumeBeforeTheHookIsUndone(t *testing.T) {
	inPod(t, func(p *pod) {
		p.get("/prestop")
		p.Resume() // by the program itself
		time.Sleep(10 * s)
		p.wantGet("/prestop", 200, 20*s)
		time.Sleep(10 * s) // past the end of the first hook's timer
		p.wantGet("/readyz", 503, 30*s)
	})
}

func TestHookWhoseClientDisconnects(t *testing.T) {
	inPod(t, func(p *pod) {
		ctx, leave := context.WithCancel(context.Background())
		go func() {
			time.Sleep(s)
			leave()
		}()
		p.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/prestop", nil))
		if p.now() != s {
			t.Errorf("the handler returned at %v, want 1s, with its request", p.now())
		}
		p.wantGet("/readyz", 503, s) // the stop stays announced
	})
}

func TestHookAcceptsOnlyGET(t *testing.T) {
	inPod(t, func(p *pod) {
		for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			w := httptest.NewRecorder()
			p.handler.ServeHTTP(w, httptest.NewRequest(method, "/prestop", nil))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodGet || !p.Ready() {
				t.Errorf("%s: %d, Allow %q, ready %t; want 405, GET, true", method, w.Code, w.Header().Get("Allow"), p.Ready())
			}
		}
	})
}

// The kubelet sends SIGTERM before its hook was answered if the hook has used up the pod's grace
// period, as after kubectl delete --grace-period=2. SIGKILL follows 2 s later.
func TestSIGTERMWhileTheHookIsUnanswered(t *testing.T) {
	for _, tt := range []struct {
		name       string
		grace      time.Duration
		agent      string
		signal     time.Duration // when SIGTERM comes
		told, ends time.Duration // when main is told to stop, and when the grace period ends
	}{
		{"the kubelet's hook", 20 * s, "kube-lifecycle/1.34", 2 * s, 2 * s, 3*s + s/2},
		{"with little time of its own", 3 * s, "kube-lifecycle/1.34", s, s, 2*s + s/2},
		{"with less time of its own", 2 * s, "kube-lifecycle/1.34", s * 3 / 4, s * 3 / 4, 2 * s},
		{"somebody else's", 20 * s, "curl/8.5.0", 2 * s, 5 * s, 20 * s},
		{"after the answer", 20 * s, "kube-lifecycle/1.34", 6 * s, 6 * s, 20 * s},
		{"at the instant of the answer", 20 * s, "kube-lifecycle/1.34", 5*s + 1, 5*s + 1, 20 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := inPodFor(t, tt.grace, func(p *pod) {
				go func() {
					r := httptest.NewRequest(http.MethodGet, "/prestop", nil)
					r.Header.Set("User-Agent", tt.agent)
					p.handler.ServeHTTP(httptest.NewRecorder(), r)
				}()
				time.Sleep(tt.signal)
				p.sigterm()
			})
			if p.told != tt.told || p.report.Grace != tt.ends {
				t.Errorf("main was told at %v, and had until %v; want %v, %v", p.told, p.report.Grace, tt.told, tt.ends)
			}
		})
	}
}

// A hook whose kubelet has gone is not unanswered any more.
func TestSIGTERMAfterAHookThatEndedWithoutAnAnswer(t *testing.T) {
	p := inPod(t, func(p *pod) {
		ctx, leave := context.WithCancel(context.Background())
		go func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/prestop", nil)
			r.Header.Set("User-Agent", "kube-lifecycle/1.34")
			p.handler.ServeHTTP(httptest.NewRecorder(), r)
		}()
		time.Sleep(s)
		leave()
		time.Sleep(s)
		p.sigterm()
	})
	if p.told != 5*s || p.report.Grace != 20*s {
		t.Errorf("main was told at %v, and had until %v; want 5s, 20s", p.told, p.report.Grace)
	}
}

// A browser says for which site it makes a request.
func TestHookRefusesOtherSites(t *testing.T) {
	inPod(t, func(p *pod) {
		for _, tt := range []struct {
			from string
			code int
		}{
			{"cross-site", http.StatusForbidden},
			{"same-site", http.StatusForbidden},
			{"none", http.StatusOK},        // typed by the user
			{"same-origin", http.StatusOK}, // of an admin page on this listener
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/prestop", nil)
			r.Header.Set("Sec-Fetch-Site", tt.from)
			p.handler.ServeHTTP(w, r)
			if announced := tt.code == http.StatusOK; w.Code != tt.code || p.Ready() == announced {
				t.Errorf("%s: %d, ready %t; want %d, %t", tt.from, w.Code, p.Ready(), tt.code, !announced)
			}
			p.Resume()
		}
	})
}

func TestHookBeforeRunAnnouncesNothing(t *testing.T) {
	c := new(shutdown.Coordinator)
	w := httptest.NewRecorder()
	kube.PreStop(c).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || c.Report() != nil {
		t.Errorf("status %d, report %v; want 200 and no report", w.Code, c.Report())
	}
}

func TestNilCoordinatorPanicsWithCallersLine(t *testing.T) {
	for name, f := range map[string]func(){
		"Handler": func() { kube.Handler(nil) },
		"PreStop": func() { kube.PreStop(nil) },
	} {
		func() {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, name) || !strings.Contains(text, "kube/kube_test.go:") {
					t.Errorf("%s: panic %q, want the function's name and this file", name, text)
				}
			}()
			f()
		}()
	}
}

func TestPreStopCommand(t *testing.T) {
	answer := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.UserAgent(), "kube-lifecycle/") { // the kubelet waits for the command
				t.Errorf("the User-Agent is %q", r.UserAgent())
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		}
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not be used
	for _, tt := range []struct {
		name    string
		handler http.Handler
		want    string // part of the error; empty: no error
	}{
		{"the delay is over", answer(200, "the delay is over"), ""},
		{"another server", answer(404, "no such page"), "404 Not Found: no such page"},
		{"a redirect", http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound), "302 Found"},
		{"a server error", answer(500, strings.Repeat("x", 1<<20)), "500 Internal Server Error: x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			checkError(t, kube.PreStopCommand(server.URL+"/prestop"), tt.want)
		})
	}
	for url, want := range map[string]string{
		"127.0.0.1:9090/prestop":     "first path segment in URL",
		"/prestop":                   "is not a URL such as",
		"ftp://127.0.0.1/":           "is not a URL such as",
		"http://":                    "is not a URL such as",
		"http://127.0.0.1:1/prestop": "does not answer",
	} {
		t.Run(url, func(t *testing.T) { checkError(t, kube.PreStopCommand(url), want) })
	}
}

// PreStopCommand returns before the pod's grace period has passed if the program hangs.
func TestPreStopCommandTimesOut(t *testing.T) {
	t.Setenv("TERMINATION_GRACE_PERIOD_SECONDS", "1")
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	checkError(t, kube.PreStopCommand(server.URL+"/prestop"), "does not answer")
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%v, want nil", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000):
		t.Errorf("%.500v, want an error with %q", err, want)
	}
}
