package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// callsVariable has the file in which the false kubectl writes its arguments. portVariable and
// exitVariable have the port of the Service, and the exit code of the second old pod.
const (
	callsVariable = "LASTCALL_ROLL_CALLS"
	portVariable  = "LASTCALL_ROLL_PORT"
	exitVariable  = "LASTCALL_ROLL_EXIT"
)

// TestMain is also the false kubectl: a link to the test binary has that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "kubectl" {
		kubectl(os.Args[1:])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// kubectl answers as the real one would of a cluster with two pods. What Kubernetes does with them is
// not imitated.
func kubectl(args []string) {
	line := strings.Join(args, " ")
	if strings.Contains(line, "rollout restart") {
		awaitWatch()
	}
	calls, err := os.OpenFile(os.Getenv(callsVariable), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(calls, line)
	calls.Close()
	for _, answer := range []struct{ to, text string }{
		{"get pods --watch", podText("old-a", "0") + podText("old-b", os.Getenv(exitVariable)) + podText("new", "")},
		{"get pods", "pod/old-a pod/old-b "},
		{"get nodes", "127.0.0.1"},
		{"patch service", os.Getenv(portVariable)},
	} {
		if strings.Contains(line, answer.to) {
			fmt.Print(answer.text)
			break
		}
	}
	if strings.Contains(line, "--watch") {
		time.Sleep(time.Minute) // until it is killed
	}
	if strings.Contains(line, "create namespace") && os.Getenv(exitVariable) == "exists" {
		fmt.Fprintln(os.Stderr, "namespaces already exists")
		os.Exit(1)
	}
}

// awaitWatch waits until the watch of this rollout has written its arguments. It was started before, as a
// process of its own.
func awaitWatch() {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		calls, err := os.ReadFile(os.Getenv(callsVariable))
		if err == nil && strings.Count(string(calls), "--watch") > strings.Count(string(calls), "rollout restart") {
			return
		}
	}
}

// podText is a running pod, and, if code is set, its end 7 s after the deletion.
func podText(name, code string) string {
	text := fmt.Sprintf(`{"metadata": {"name": %q}, "status": {"containerStatuses": [{"state": {"running": {}}}]}}`, name)
	if code != "" {
		text += fmt.Sprintf(`{"metadata": {"name": %q, "deletionTimestamp": "2026-11-30T12:00:30Z", "deletionGracePeriodSeconds": 30},
			"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": %s, "finishedAt": "2026-11-30T12:00:07Z"}}}]}}`, name, code)
	}
	return text
}

// pretend puts the false kubectl and a Service into the place of real ones. It returns how to read the
// calls.
func pretend(t *testing.T, exit string) (calls func() []string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("not on this platform: the drill needs sh")
	}
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "kubectl")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "calls")
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv(callsVariable, file)
	t.Setenv(exitVariable, exit)
	t.Setenv(portVariable, srv.URL[strings.LastIndex(srv.URL, ":")+1:])
	return func() []string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
}

// build builds the drill.
func build(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "drill")
	if out, err := exec.Command("go", "build", "-o", file, drillPackage).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// The calls of kubectl for two modes, and the table.
func TestRoll(t *testing.T) {
	drill := build(t)
	for _, tt := range []struct {
		exit, killed string
		code         int
	}{{"0", "0", 0}, {"137", "1", 1}} {
		t.Run("exit code "+tt.exit, func(t *testing.T) {
			calls := pretend(t, tt.exit)
			var out, errs strings.Builder
			if code := run(t.Context(), []string{"-drill", drill, "-context", "test", "-dir", "..", "-load", "100ms", "-modes", "none,sleep"}, &out, &errs); code != tt.code {
				t.Errorf("exit status %d, want %d\n%s", code, tt.code, &errs)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != 3 {
				t.Fatalf("%d lines, want a head and two modes:\n%s%s", len(lines), &out, &errs)
			}
			for n, mode := range []string{"none", "sleep"} {
				got := strings.Fields(lines[n+1])
				got[1], got[len(got)-1] = "some", "some time"
				if want := []string{mode, "some", "0", "2", tt.killed, "7s", "to", "7s", "some time"}; !slices.Equal(got, want) {
					t.Errorf("line %q, want %q", got, want)
				}
			}
			checkCalls(t, calls())
		})
	}
}

func checkCalls(t *testing.T, calls []string) {
	t.Helper()
	for n, c := range calls {
		var global bool
		if calls[n], global = strings.CutPrefix(c, "--namespace=lastcall-roll --context=test "); !global {
			t.Errorf("kubectl %s: the namespace or the context is missing", c)
		}
	}
	roll := []string{
		"apply -f -",
		"rollout status deployment/http-server --timeout=5m",
		`patch service http-server --patch {"spec":{"type":"NodePort"}} -o jsonpath={.spec.ports[0].nodePort}`,
		`get nodes -o jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`,
		"get pods -o jsonpath={range .items[*]}pod/{.metadata.name} {end}",
		"get pods --watch -o json",
		"rollout restart deployment/http-server",
		"rollout status deployment/http-server --timeout=5m",
		"wait --for=delete pod/old-a pod/old-b --timeout=5m",
	}
	want := slices.Concat([]string{"create namespace lastcall-roll"}, roll, roll, []string{"delete namespace lastcall-roll --timeout=5m"})
	if got := strings.Join(calls, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the calls of kubectl were\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestRollFails(t *testing.T) {
	drill := build(t)
	for _, tt := range []struct {
		name, exit string
		args       []string
		want       string
	}{
		{"the namespace is there", "exists", nil, "namespaces already exists"},
		{"no such manifest", "0", []string{"-modes", "other"}, "other.yaml: no such file"},
		{"no Service", "0", []string{"-url", "http://127.0.0.1:1", "-modes", "none"}, "none: the drill: exit status 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pretend(t, tt.exit)
			var out, errs strings.Builder
			code := run(t.Context(), append([]string{"-drill", drill, "-dir", ".."}, tt.args...), &out, &errs)
			if code != 2 || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("exit status %d, want 2 and %q:\n%s", code, tt.want, &errs)
			}
		})
	}
}

// The end of a pod that was never seen with a terminated container is unknown.
func TestEndsOf(t *testing.T) {
	seen := decode(strings.NewReader(podText("a", "0") + podText("b", "") + "no JSON"))
	if got, want := endsOf([]string{"pod/a", "pod/b"}, seen), (ends{ended: 1, unseen: 1, first: 7 * time.Second, last: 7 * time.Second}); got != want {
		t.Errorf("endsOf() = %+v, want %+v", got, want)
	}
}
