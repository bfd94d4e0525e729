//go:build unix && !race

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheExampleLosesNothing tests the guarantee of package httpdrain with the example server: in
// none of five runs may one of 20 000 requests be lost.
//
// It runs the command as a user would. With the race detector the server and the load would need
// more than two cores, so the test is left out there.
func TestTheExampleLosesNothing(t *testing.T) {
	const runs, requests = 5, 20_000
	bin := filepath.Join(t.TempDir(), "drill")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, m := range []mode{direct, rolling, haproxy} {
		t.Run(string(m), func(t *testing.T) {
			if m == haproxy {
				needHAProxy(t)
			}
			cmd := exec.Command(bin, "-json", "-mode", string(m), "-runs", fmt.Sprint(runs), "-requests", fmt.Sprint(requests), "-load", "500ms", "-new", "0",
				"-start", "2m", "-limit", "2m", "-timeout", "1m")
			cmd.Env = append(os.Environ(), "TMPDIR="+fastDir(t))
			var progress strings.Builder
			cmd.Stderr = &progress
			out, err := cmd.Output() // the exit status says the same as the results
			var results []struct {
				Grade          string
				Answered, Lost int
				Reasons        []string
			}
			if json.Unmarshal(out, &results) != nil || len(results) != runs {
				t.Fatalf("%v, %d results, want %d:\n%s%s", err, len(results), runs, out, &progress)
			}
			for n, r := range results {
				if r.Lost > 0 || r.Answered < requests || r.Grade > "B" {
					t.Errorf("run %d: %d answered, %d lost, grade %s: %q; want at least %d and none lost", n+1, r.Answered, r.Lost, r.Grade, r.Reasons, requests)
				}
				t.Logf("run %d: grade %s, %d answered, %d lost", n+1, r.Grade, r.Answered, r.Lost)
			}
		})
	}
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
