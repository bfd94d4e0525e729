package main

import (
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
)

// Any plan is refused with an error, or makes a budget that the arithmetic can use: no time in it is
// negative, and the whole of it is the program's grace period if that is known.
func FuzzPlan(f *testing.F) {
	for _, plan := range []string{
		`{}`, `null`, `{"drain_seconds": 1e9, "delay_seconds": 1e9, "cleanup_seconds": 1e9}`,
		`{"grace_seconds": 30, "grace_source": "environment", "pre_stop_seconds": 31}`,
		`{"grace_seconds": 1, "delay_seconds": 5, "cleanup_seconds": 5}`,
		`{"prestop": {"path": "x", "port": 1, "exec": " a  b "}, "signals": ["term"], "delay_variable": "D"}`,
		`{"grace_seconds": 0.0000001}`, `{"margin_seconds": -1}`, `{"signals": null}`,
	} {
		f.Add(plan)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOptions([]string{"-plan", "-", "x.yaml"}, strings.NewReader(text), nil)
		if err != nil {
			return
		}
		b := o.budget
		if b.Delay < 0 || b.Drain < 0 || b.Cleanup < 0 || b.Margin < 0 || b.Grace < 0 {
			t.Errorf("%s\nbudget %+v, want no negative time", text, b)
		}
		if s := (check.Sums{Delay: b.Delay, Drain: b.Drain, Cleanup: b.Cleanup}); s.Required() < b.Delay {
			t.Errorf("%s\nthe sum of %+v overflows", text, b)
		}
		if b.Signals == nil {
			t.Errorf("%s\nno signals, want the default", text)
		}
	})
}
