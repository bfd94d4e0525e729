//go:build unix && !race

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// restart is a server whose database takes 2 s to be filled, but not at its first start: the drill
// begins only when both servers answer.
const restart = `warmup=0s
if [ -e "$DRILL_DIR/restarted" ]; then warmup=2s; fi
touch "$DRILL_DIR/restarted"
exec "$1" -addr 127.0.0.1:$PORT -admin 127.0.0.1:$ADMIN_PORT -db "$DRILL_DIR/orders.db" -delay 1s -warmup $warmup`

// A rolling restart of two servers with a warm-up loses nothing if the balancer asks whether they are
// ready. The control shows that the load would find a server that is ready too early: there the
// balancer asks whether they are alive.
func TestRollingRestartWithAWarmup(t *testing.T) {
	drill, server := buildProgram(t, "github.com/lastcall-go/lastcall/cmd/drill"), buildProgram(t, ".")
	script := filepath.Join(t.TempDir(), "restart.sh")
	if err := os.WriteFile(script, []byte(restart), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, asks string
		loses      bool
	}{
		{"the balancer asks /readyz", "readyz", false},
		{"the control: it asks /livez", "livez", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(drill, "-o", "json", "-mode", "rolling", "-runs", "1", "-load", "500ms", "-new", "0", "-clients", "16", "-h2", "2",
				"-start", "2m", "-limit", "2m", "-timeout", "1m",
				"-url", "http://127.0.0.1:{{.Port}}/orders", "-ready-url", "http://127.0.0.1:{{.AdminPort}}/"+tt.asks,
				"-executed", "{{.Dir}}/orders.db*", "--", "sh", script, server)
			cmd.Env = append(os.Environ(), "TMPDIR="+fastDir(t))
			var progress strings.Builder
			cmd.Stderr = &progress
			out, err := cmd.Output() // the exit status says the same as the results
			var doc struct {
				Reports []struct {
					Runs []struct {
						Answered, Lost int
						Reasons        []string
					}
				}
			}
			if json.Unmarshal(out, &doc) != nil || len(doc.Reports) != 1 || len(doc.Reports[0].Runs) != 1 {
				t.Fatalf("%v, want one run:\n%s%s", err, out, &progress)
			}
			r := doc.Reports[0].Runs[0]
			t.Logf("%d answered, %d lost: %q", r.Answered, r.Lost, r.Reasons)
			if r.Answered == 0 || r.Lost > 0 != tt.loses {
				t.Errorf("%d answered, %d lost: %q; want lost requests: %t", r.Answered, r.Lost, r.Reasons, tt.loses)
			}
		})
	}
}
