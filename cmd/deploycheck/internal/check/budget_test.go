package check_test

import (
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// The environment in a manifest replaces the plan, which was printed in another environment.
func TestTheEnvironmentOfTheManifest(t *testing.T) {
	ofPlan := func(b *check.Budget) { // of 25 s, with a delay of 5 s
		b.Grace, b.Delay, b.Drain, b.FromEnvironment, b.DelayVariable = 25*time.Second, 5*time.Second, 20*time.Second, true, "DELAY"
	}
	fixed := func(b *check.Budget) { ofPlan(b); b.FromEnvironment = false }
	cleanup := func(b *check.Budget) { ofPlan(b); b.Drain, b.Cleanup = 10*time.Second, 10*time.Second }
	tests := map[string]struct {
		env            string
		budget         func(*check.Budget)
		delay, drain   float64
		cleanup        float64
		wantInvalidEnv bool
	}{
		"no variables":                           {"", ofPlan, 5, 20, 0, false},
		"the grace period":                       {literal(graceVar, "60"), ofPlan, 5, 53, 0, false},
		"the grace period, and a sleep":          {literal(graceVar, "60") + ", " + literal(sleepVar, "10"), ofPlan, 5, 43, 0, false},
		"a short grace period":                   {literal(graceVar, "3"), ofPlan, 0.75, 0.75, 0, false},
		"a program with a grace period":          {literal(graceVar, "60"), fixed, 5, 20, 0, false},
		"the delay":                              {literal("DELAY", "1s"), ofPlan, 1, 24, 0, false},
		"the delay in seconds":                   {literal("DELAY", "1.5"), fixed, 1.5, 23.5, 0, false},
		"a delay of more than half":              {literal("DELAY", "20s"), ofPlan, 12.5, 12.5, 0, false},
		"the delay, and a drain that is fixed":   {literal(graceVar, "30") + ", " + literal("DELAY", "30s"), func(b *check.Budget) { fixed(b); b.FixedDrain = true }, 30, 20, 0, false},
		"no delay":                               {literal("DELAY", "0s"), ofPlan, 0, 25, 0, false},
		"an empty delay":                         {literal("DELAY", ""), ofPlan, 5, 20, 0, false},
		"an invalid delay":                       {literal("DELAY", "5 s"), ofPlan, 5, 20, 0, true},
		"a negative delay":                       {literal("DELAY", "-5s"), ofPlan, 5, 20, 0, true},
		"another variable":                       {literal("OTHER", "1s"), ofPlan, 5, 20, 0, false},
		"both":                                   {literal(graceVar, "30") + ", " + literal("DELAY", "2s"), ofPlan, 2, 26, 0, false},
		"cleanup":                                {literal(graceVar, "30"), cleanup, 5, 13, 10, false},
		"a grace period shorter than cleanup":    {literal(graceVar, "12"), cleanup, 5, 0, 5, false},
		"a grace period from a ConfigMap":        {"{name: " + graceVar + ", valueFrom: {configMapKeyRef: {name: a, key: b}}}", ofPlan, 5, 20, 0, false},
		"a grace period that is not a number":    {literal(graceVar, "60s"), ofPlan, 5, 20, 0, true},
		"a variable with an empty name, no plan": {literal("", "60s"), func(b *check.Budget) { b.Delay, b.Drain = 5*time.Second, 20*time.Second }, 5, 20, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			results := object{grace: "terminationGracePeriodSeconds: 90", app: env(tt.env), budget: tt.budget}.check(t)
			s := results[0].Sums
			if s.Delay.Seconds() != tt.delay || s.Drain.Seconds() != tt.drain || s.Cleanup.Seconds() != tt.cleanup {
				t.Errorf("%v, want delay %v, drain %v, cleanup %v", s, tt.delay, tt.drain, tt.cleanup)
			}
			invalid := false
			for _, f := range results[0].Findings {
				invalid = invalid || f.Code == finding.EnvInvalid
			}
			if invalid != tt.wantInvalidEnv {
				t.Errorf("findings %v, %s: %v, want %v", codes(results), finding.EnvInvalid, invalid, tt.wantInvalidEnv)
			}
		})
	}
}

// A command of the plan without a folder is the program in any folder.
func TestHandshakeOfTheProgramInAnyFolder(t *testing.T) {
	named := func(b *check.Budget) { b.PreStop.Exec = []string{"app", "prestop"} }
	tests := map[string]check.Mode{
		"app, prestop":            check.HandshakeExec,
		"/app, prestop":           check.HandshakeExec,
		"/usr/bin/app, prestop":   check.HandshakeExec,
		"/app/other, prestop":     check.Foreign,
		"/usr/bin/myapp, prestop": check.Foreign,
	}
	for words, want := range tests {
		if r := (object{app: command(words), budget: named}).check(t)[0]; r.Mode != want {
			t.Errorf("[%s]: mode %s, want %s", words, r.Mode, want)
		}
	}
}
