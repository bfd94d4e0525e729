package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// Messages and fixes say what holds for the platform, in its words.
func TestMessages(t *testing.T) {
	environment := "TERMINATION_GRACE_PERIOD_SECONDS=30\nEnvironment=PRESTOP_SLEEP_SECONDS=5"
	long := func(b *check.Budget) { b.Drain = time.Minute }
	for title, tt := range map[string]struct {
		file string
		p    place
		code finding.Code
		want string // a part of the message or of the fix; empty if the code is not there
	}{
		"a grace period that cannot be set": {"Procfile", place{data: "web: app\n", budget: long}, finding.GraceTooShort, "\nshorten the program's stop to 28s: the grace period cannot be set"},
		"Nomad's cap":                       {"job.json", place{data: nomadJob(`"KillTimeout": 60000000000`)}, finding.GraceCapped, "KillTimeout is 60s, and"},
		"the fix of Nomad's cap":            {"job.json", place{data: nomadJob(`"KillTimeout": 60000000000`)}, finding.GraceCapped, `at least 60s, or write "KillTimeout": 30000000000`},
		"Nomad's ShutdownDelay":             {"job.json", place{data: nomadJob(`"ShutdownDelay": 5000000000`)}, finding.DoubleWait, "or remove ShutdownDelay"},
		"a batch job of Nomad has no hook":  {"job.json", place{data: strings.Replace(nomadJob(""), `"ID"`, `"Type": "batch", "ID"`, 1)}, finding.JobDelay, "\nset the program's delay to 0"},
		"almost no time":                    {"job.json", place{data: nomadJob(`"KillTimeout": 27`)}, finding.GraceTooShort, "= 25s of 0s: killed 25s before"},
		"a negative time":                   {"fly.toml", place{data: "app = \"a\"\nkill_timeout = -5\n"}, finding.GraceTooShort, "= 25s of 0s: killed 25s before"},
		"a signal of ExecStop":              {"app.service", place{data: service("ExecStop=/bin/kill -s INT $MAINPID"), budget: onlySIGTERM}, finding.StopSignal, "ExecStop sends SIGINT, and the program"},
		"a sleep of another platform":       {"app.service", place{data: service("TimeoutStopSec=30\nEnvironment=" + environment)}, finding.EnvSleepAbove, ""},
		"an empty Dockerfile":               {"Dockerfile", place{data: ""}, finding.Unreadable, "file with no instructions"},
		"containers without names":          {"task.json", place{data: `{"containerDefinitions": [{}, {}]}`}, finding.ContainerAmbiguous, "containerDefinitions[0] and containerDefinitions[1]"},
	} {
		t.Run(title, func(t *testing.T) {
			texts := ""
			for _, r := range tt.p.results(t, tt.file) {
				for _, f := range r.Findings {
					if f.Code == tt.code {
						texts += f.Message + "\n" + f.Fix + "\n"
					}
				}
			}
			if tt.want == "" && texts != "" || !strings.Contains(texts, tt.want) || strings.Contains(texts, "line 0") || strings.Contains(texts, "preStop hook") {
				t.Errorf("got %q, want %q", texts, tt.want)
			}
		})
	}
}
