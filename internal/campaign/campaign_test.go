package campaign

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	programs = flag.Int("campaign.n", 0, "how many programs to play; 0 is some thousand, for at most 10 s")
	starts   = flag.Bool("campaign.starts", false, "give all programs warm-ups, and a signal while they last")
	first    = flag.Uint64("campaign.seed", 0, "the seed of the first of them; with -campaign.n 0, of the only one")
)

// A panic of the core ends the process, and so does a bubble that hangs. The goroutine that plays the
// program has the seed as a label, so the traceback shows it.
func TestMain(m *testing.M) {
	debug.SetTraceback("all")
	_ = os.Setenv("GODEBUG", strings.TrimPrefix(os.Getenv("GODEBUG")+",tracebacklabels=1", ","))
	goleak.VerifyTestMain(m)
}

// A few thousand programs take some seconds. On a slow machine, or with the race detector, fewer of
// them are played.
const (
	briefly   = 4000
	briefTime = 10 * time.Second
	// This number of programs is enough for everything in the tally to happen.
	someLength = 1000
)

func TestCampaign(t *testing.T) {
	n, limit, from := *programs, time.Duration(0), *first
	switch {
	case n == 0 && from != 0:
		n = 1
	case n == 0:
		n, limit = briefly, briefTime
	}
	began := time.Now()
	played, total := 0, &tally{made: make(map[string]int)}
	for seed := from; played < n && (limit == 0 || time.Since(began) < limit); seed++ {
		o := play(t, random(seed), nil)
		played++
		total.count(o)
		if findings := judge(o); len(findings) > 0 {
			t.Errorf("%s", explain(t, random(seed), nil, findings)+"its report:\n"+o.report.String())
			return
		}
	}
	if missing := total.missing(); played >= someLength && missing != nil {
		t.Errorf("in %d programs there was none of %q", played, missing)
	}
	t.Logf("%d programs from seed %d in %v: %v", played, from, time.Since(began).Round(time.Millisecond), total)
}

// explain describes a program that fails, and a smaller one that fails too.
func explain(t *testing.T, p *program, f *fault, findings []string) string {
	small, smaller := shrink(p, func(q *program) []string { return judge(play(t, q, f)) })
	text := fmt.Sprintf("seed %d:\n  ", p.Seed) + strings.Join(findings, "\n  ") + "\n"
	if smaller == nil {
		return text + "and not when it was played again:\n" + p.String()
	}
	return text + "the smallest program found that does:\n" + small.String() +
		"  " + strings.Join(smaller, "\n  ") + "\n" + play(t, small, f).report.String()
}
