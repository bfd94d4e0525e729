//go:build unix && !race

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var rounds = flag.Int("rounds", 2, "the number of runs of each mode in TestNoRequestIsLost")

// TestNoRequestIsLost tests the guarantee of package httpdrain with this server: in no run may one
// of 20 000 requests be lost.
//
// It runs cmd/drill as a user would. With the race detector the server and the load would need
// more than two cores, so the test is left out there.
func TestNoRequestIsLost(t *testing.T) {
	const requests = 20_000
	drill, server := buildProgram(t, "github.com/lastcall-go/lastcall/cmd/drill"), buildProgram(t, ".")
	for _, mode := range []string{"direct", "rolling", "haproxy"} {
		t.Run(mode, func(t *testing.T) {
			args := []string{
				"-o", "json", "-mode", mode, "-runs", fmt.Sprint(*rounds), "-requests", fmt.Sprint(requests), "-load", "500ms", "-new", "0",
				"-start", "2m", "-limit", "2m", "-timeout", "1m",
				"-url", "http://127.0.0.1:{{.Port}}/orders", "-ready-url", "http://127.0.0.1:{{.AdminPort}}/readyz",
				"-stream-url", "http://127.0.0.1:{{.Port}}/stream?for=1m", "-executed", "{{.Dir}}/orders.db*",
				"--", server, "-addr", "127.0.0.1:{{.Port}}", "-admin", "127.0.0.1:{{.AdminPort}}", "-db", "{{.Dir}}/orders.db",
			}
			switch mode {
			case "haproxy":
				needHAProxy(t)
				// haproxy takes a server out if two checks in a row take longer than -poll. On a busy machine
				// that may be both servers, which is no fault of theirs.
				args = slices.Concat([]string{"-poll", "500ms"}, args, []string{"-delay", "2s"})
			case "rolling":
				// Long enough for two readiness checks on a busy machine. In mode direct no delay is the harder case.
				args = slices.Concat(args, []string{"-delay", "1s"})
			}
			cmd := exec.Command(drill, args...)
			cmd.Env = append(os.Environ(), "TMPDIR="+fastDir(t))
			var progress strings.Builder
			cmd.Stderr = &progress
			out, err := cmd.Output() // the exit status says the same as the results
			var doc struct {
				Reports []struct {
					Runs []struct {
						Grade          string
						Answered, Lost int
						Reasons        []string
					}
				}
			}
			if json.Unmarshal(out, &doc) != nil || len(doc.Reports) != 1 || len(doc.Reports[0].Runs) != *rounds {
				t.Fatalf("%v, want %d runs:\n%s%s", err, *rounds, out, &progress)
			}
			for n, r := range doc.Reports[0].Runs {
				if r.Lost > 0 || r.Answered < requests || r.Grade > "B" {
					t.Errorf("run %d: %d answered, %d lost, grade %s: %q; want at least %d and none lost", n+1, r.Answered, r.Lost, r.Grade, r.Reasons, requests)
				}
				t.Logf("run %d: grade %s, %d answered, %d lost", n+1, r.Grade, r.Answered, r.Lost)
			}
		})
	}
}

func buildProgram(t *testing.T, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", file, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
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

// fastDir is in memory where there is such a folder: the example has its database on the
// disk before it answers, and it is not the disk that is measured here.
func fastDir(t *testing.T) string {
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "drill-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
