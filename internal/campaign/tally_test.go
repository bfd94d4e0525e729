package campaign

import (
	"fmt"
	"strings"

	"github.com/lastcall-go/lastcall/shutdown"
)

// A tally is what the programs of a campaign have come across: one in which nothing is
// ever stuck would find nothing.
type tally struct {
	outcomes [shutdown.Skipped + 1]int
	forced   int
	ended    int // by a third signal
	quiet    int
	leaks    int
}

func (t *tally) count(o *observation) {
	for _, s := range o.report.Steps {
		t.outcomes[s.Outcome]++
	}
	if o.report.Forced {
		t.forced++
	}
	if len(o.exits) > 0 && o.exits[0].at <= o.returned {
		t.ended++
	}
	for _, e := range o.events {
		if _, ok := e.Event.(shutdown.Quiesced); ok {
			t.quiet++
		}
	}
	t.leaks += len(o.report.Leaks)
}

// missing is what a campaign of some length has to have come across, and has not.
func (t *tally) missing() (what []string) {
	for o, n := range t.outcomes {
		if n == 0 {
			what = append(what, shutdown.Outcome(o).String())
		}
	}
	for name, n := range map[string]int{"forced": t.forced, "ended": t.ended, "announced": t.quiet, "leaks": t.leaks} {
		if n == 0 {
			what = append(what, name)
		}
	}
	return what
}

func (t *tally) String() string {
	var parts []string
	for o, n := range t.outcomes {
		parts = append(parts, fmt.Sprintf("%d %v", n, shutdown.Outcome(o)))
	}
	return fmt.Sprintf("%s; %d leaks; %d announced, %d forced, %d ended by a third signal",
		strings.Join(parts, ", "), t.leaks, t.quiet, t.forced, t.ended)
}
