package recipes_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/kube"
	"github.com/lastcall-go/lastcall/shutdown/sdnotify"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// The fields of a Coordinator, as docs/configuration.md sets them.
func TestManualFields(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	run := func(context.Context) error { return errors.New("no such port") }
	// region fields
	c := &shutdown.Coordinator{
		Grace: 20 * time.Second,
		Delay: 5 * time.Second,
		Slog:  logger,
	}
	code := c.Main(run)
	// endregion
	if code != 1 || !strings.Contains(out.String(), `"grace_seconds":20`) {
		t.Errorf("exit code %d, log:\n%s", code, out.String())
	}
}

// Options, as docs/configuration.md gives them.
func TestManualOptions(t *testing.T) {
	errClosed := errors.New("queue closed")
	flush := func(context.Context) error { return nil }
	migrate := func(context.Context) error { return nil }
	consume := func(ctx context.Context) error { <-ctx.Done(); return errClosed }
	p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
		var g group.Group
		// region options
		// At most 5 s, of which 3 s are kept whatever the steps before it do.
		shutdown.Register(flush, shutdown.Name("flush"),
			shutdown.Reserve(3*time.Second), shutdown.Timeout(5*time.Second))
		// It may end without stopping the group.
		g.Go("migrate", migrate, group.MayFinish())
		// This error is no failure once the task was told to stop.
		g.Go("consume", consume, group.Expect(errClosed))
		// endregion
		return g.Run(ctx)
	})
	p.Stop(nil)
	p.Clean()
	p.Order("main", "consume", "flush")
}

// The setup of a pod, as docs/kubernetes.md has it.
func TestManualKubernetes(t *testing.T) {
	run := func(ctx context.Context) error { <-ctx.Done(); return nil }
	adminAddr := "127.0.0.1:0"
	// region kube
	c := &shutdown.Coordinator{Delay: 5 * time.Second}
	main := func(ctx context.Context) error {
		// Started first, it ends last: liveness is answered until the exit.
		admin := &http.Server{Addr: adminAddr, Handler: kube.Handler(c)} // ":9090"
		c.Start(httpdrain.Serve(admin, httpdrain.Linger(0)), shutdown.Name("admin"))
		return run(ctx)
	}
	// endregion
	c.Delay = 0
	p := shutdowntest.Start(t, c, main)
	p.Stop(nil)
	p.Clean()
	p.Order("main", "admin")
}

// A hook that only the pod itself reaches, as docs/kubernetes.md has it.
func TestManualLoopback(t *testing.T) {
	c := shutdowntest.New(t)
	probesAddr, hookAddr := "127.0.0.1:0", "127.0.0.1:0"
	serve := func(srv *http.Server) func(context.Context) error {
		return httpdrain.Serve(srv, httpdrain.Linger(0))
	}
	p := shutdowntest.Start(t, c, func(ctx context.Context) error {
		// region loopback
		probes := http.NewServeMux()
		probes.Handle("/readyz", kube.Handler(c))
		probes.Handle("/livez", kube.Handler(c))
		// ":9090", for the kubelet's probes
		c.Start(serve(&http.Server{Addr: probesAddr, Handler: probes}), shutdown.Name("probes"))
		// "127.0.0.1:9091", for the program called as "app prestop"
		c.Start(serve(&http.Server{Addr: hookAddr, Handler: kube.PreStop(c)}), shutdown.Name("prestop"))
		// endregion
		for path, want := range map[string]int{"/readyz": http.StatusOK, "/livez": http.StatusOK, "/prestop": http.StatusNotFound} {
			w := httptest.NewRecorder()
			probes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("GET %s = %d, want %d", path, w.Code, want)
			}
		}
		return nil
	})
	p.Clean()
	p.Order("main", "prestop", "probes")
}

// The exec form of the hook, as docs/kubernetes.md has it.
func TestManualPreStopCommand(t *testing.T) {
	const hookURL = "http://127.0.0.1:9/prestop"
	// region exec
	prestop := func() (status int) {
		if err := kube.PreStopCommand(hookURL); err != nil { // "http://127.0.0.1:9091/prestop"
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	// endregion
	if code := prestop(); code != 1 {
		t.Errorf("prestop() = %d where nobody listens, want 1", code)
	}
}

// A unit of Type=notify, as docs/systemd.md has it.
func TestManualSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "") // the test is no unit
	ping := func(context.Context) error { return nil }
	c := shutdowntest.New(t)
	// region systemd
	sdnotify.Attach(c) // before anything else is done with c
	run := func(ctx context.Context) error {
		// Open listeners and databases here, then say that the program serves.
		if err := sdnotify.Ready(ctx); err != nil {
			return err
		}
		var g group.Group
		g.Go("watchdog", sdnotify.Watchdog(ping)) // for a unit with WatchdogSec
		return g.Run(ctx)
	}
	// endregion
	p := shutdowntest.Start(t, c, run)
	p.Stop(nil)
	p.Clean()
}

// Metrics from events, as docs/operating.md has them.
func TestManualObserve(t *testing.T) {
	var mu sync.Mutex
	var failures []string
	count := func(kind, outcome string) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, kind+" "+outcome)
	}
	c := shutdowntest.New(t)
	// region observe
	c.Observe = func(e shutdown.Event) {
		if e, ok := e.(shutdown.StepEnded); ok && e.Outcome != shutdown.OutcomeOK {
			count(e.Kind.String(), e.Outcome.String())
		}
	}
	// endregion
	p := shutdowntest.Start(t, c, func(ctx context.Context) error {
		c.Register(func(context.Context) error { return errors.New("disk full") }, shutdown.Name("flush"))
		<-ctx.Done()
		return nil
	})
	p.Stop(nil)
	if got := p.ExitCode(); got != 1 {
		t.Errorf("exit code %d, want 1", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"handler failed"}, failures); diff != "" {
		t.Error(diff)
	}
}
