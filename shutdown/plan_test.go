package shutdown_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/shutdown"
)

func TestThePlanOfACoordinator(t *testing.T) {
	for _, tt := range []struct {
		name           string
		grace, delay   time.Duration
		total, preStop string // of the environment
		want           shutdown.Plan
		fits           bool
		text           string
	}{
		{
			name: "nothing is set", want: shutdown.Plan{Source: "default", Drain: 25 * s, Margin: 2 * s}, fits: true,
			text: "drain 25s + margin 2s = 27s; the platform's grace period is not known",
		},
		{
			name: "by the environment", total: "30", delay: 5 * s,
			want: shutdown.Plan{Source: "environment", Grace: 30 * s, Delay: 5 * s, Drain: 23 * s, Margin: 2 * s}, fits: true,
			text: "delay 5s + drain 23s + margin 2s = 30s, of 30s",
		},
		{
			name: "with a preStop hook that sleeps", total: "30", preStop: "5",
			want: shutdown.Plan{Source: "environment", Grace: 30 * s, PreStop: 5 * s, Drain: 23 * s, Margin: 2 * s}, fits: true,
			text: "preStop 5s + drain 23s + margin 2s = 30s, of 30s",
		},
		{
			name: "of a very short grace period", total: "1",
			want: shutdown.Plan{Source: "environment", Grace: s, Drain: s / 2, Margin: s / 2}, fits: true,
			text: "drain 500ms + margin 500ms = 1s, of 1s",
		},
		{
			name: "the field fits exactly", grace: 28 * s, total: "30",
			want: shutdown.Plan{Source: "field", Grace: 30 * s, Drain: 28 * s, Margin: 2 * s}, fits: true,
			text: "drain 28s + margin 2s = 30s, of 30s",
		},
		{
			name: "the field is tight", grace: 29 * s, total: "30",
			want: shutdown.Plan{Source: "field", Grace: 30 * s, Drain: 29 * s, Margin: 2 * s},
			text: "drain 29s + margin 2s = 31s, more than 30s: the program may be killed before it has ended",
		},
		{
			name: "the field does not fit", grace: 60 * s, delay: 5 * s, total: "30",
			want: shutdown.Plan{Source: "field", Grace: 30 * s, Delay: 5 * s, Drain: 55 * s, Margin: 2 * s},
			text: "delay 5s + drain 55s + margin 2s = 1m2s, more than 30s: the program may be killed 30s before it has ended",
		},
		{
			name: "a delay that is reduced", grace: 10 * s, delay: 9 * s,
			want: shutdown.Plan{Source: "field", Delay: 5 * s, Drain: 5 * s, Margin: 2 * s}, fits: true,
			text: "delay 5s + drain 5s + margin 2s = 12s; the platform's grace period is not known",
		},
		{
			name: "the longest grace period", grace: math.MaxInt64, delay: 5 * s,
			want: shutdown.Plan{Source: "field", Delay: 5 * s, Drain: math.MaxInt64 - 5*s, Margin: 2 * s}, fits: true,
			text: "delay 5s + drain 2562047h47m11.854775807s + margin 2s = 2562047h47m16.854775807s; the platform's grace period is not known",
		},
		{
			name: "the longest grace period, in a pod", grace: math.MaxInt64, total: "30", preStop: "5",
			want: shutdown.Plan{Source: "field", Grace: 30 * s, PreStop: 5 * s, Drain: math.MaxInt64, Margin: 2 * s},
			text: "preStop 5s + drain 2562047h47m16.854775807s + margin 2s = 2562047h47m16.854775807s, more than 30s: the program may be killed 2562047h46m46.854775807s before it has ended",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, graceVariable, tt.total)
			setenv(t, preStopVariable, tt.preStop)
			c := &shutdown.Coordinator{Grace: tt.grace, Delay: tt.delay}
			p, err := c.Plan()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, p); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if shutdown.PlanFits(p) != tt.fits || p.String() != tt.text {
				t.Errorf("fits %t: %q\nwant %t: %q", shutdown.PlanFits(p), p, tt.fits, tt.text)
			}
		})
	}
}

// setenv sets a variable, or unsets it if value is empty.
func setenv(t *testing.T, name, value string) {
	if value != "" {
		t.Setenv(name, value)
	}
}

func TestThePlanHasTheReserves(t *testing.T) {
	c := &shutdown.Coordinator{Grace: 20 * s, Delay: 5 * s}
	c.Register(nothing)
	c.Register(nothing, shutdown.Reserve(2*s))
	all := c.Scope("side by side", shutdown.Concurrent())
	all.Register(nothing, shutdown.Reserve(3*s))
	all.Register(nothing, shutdown.Reserve(s))
	one := c.Scope("one after the other")
	one.Register(nothing, shutdown.Reserve(s))
	one.Register(nothing, shutdown.Reserve(s))
	p, err := c.Plan()
	if want := (shutdown.Plan{Source: "field", Delay: 5 * s, Drain: 8 * s, Cleanup: 7 * s, Margin: 2 * s}); err != nil || p != want {
		t.Errorf("%+v, %v\nwant %+v", p, err, want)
	}
}

func TestAnInvalidEnvironmentIsAnErrorOfThePlan(t *testing.T) {
	t.Setenv(graceVariable, "soon")
	if _, err := new(shutdown.Coordinator).Plan(); err == nil || !strings.Contains(err.Error(), `"soon"`) {
		t.Errorf("%v, want an error that has the value", err)
	}
}

func TestThePlanIsLogged(t *testing.T) {
	for total, want := range map[string]string{
		"":   "debug: shutdown plan",
		"30": "info: shutdown plan",
		"20": "warn: shutdown plan exceeds the platform's grace period",
	} {
		t.Run(total, func(t *testing.T) {
			setenv(t, graceVariable, total)
			t.Setenv("KUBERNETES_SERVICE_HOST", "")
			inBubble(t, func(p *bubble) {
				p.runs(nothing)
				l := lines(t, p.log.String())[0]
				if got := l["level"].(string) + ": " + l["message"].(string); got != want || l["grace_source"] != "field" {
					t.Errorf("%v, want %q", l, want)
				}
			})
		})
	}
}

// In a pod the plan is logged at info even if the grace period is not known: the operator has to
// see that.
func TestThePlanIsLoggedInAPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	inBubble(t, func(p *bubble) {
		p.runs(nothing)
		l := lines(t, p.log.String())[0]
		plan, _ := l["plan"].(string)
		if l["level"] != "info" || l["grace_source"] != "field" || !strings.HasSuffix(plan, "the platform's grace period is not known") {
			t.Errorf("%v, want the plan and its source, at info", l)
		}
	})
}

func TestThePlanInJSON(t *testing.T) {
	p := shutdown.Plan{Grace: 30 * s, Source: "field", Delay: 5 * s, Drain: 1500 * ms, Margin: 2 * s}
	got, err := json.Marshal(p)
	want := `{"grace_seconds":30,"grace_source":"field","pre_stop_seconds":0,"delay_seconds":5,"drain_seconds":1.5,"cleanup_seconds":0,"margin_seconds":2}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}
