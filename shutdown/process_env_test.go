package shutdown_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

const (
	graceVariable   = "TERMINATION_GRACE_PERIOD_SECONDS"
	preStopVariable = "PRESTOP_SLEEP_SECONDS"
)

func init() {
	scenario("the environment's grace period", func() {
		c := &shutdown.Coordinator{Observe: tell}
		c.Register(says("last"))
		endMain(c, func(context.Context) error {
			say("main")
			c.Stop(nil)
			say("grace %v", c.Report().Grace)
			return nil
		})
	})
	scenario("a grace period that was set", func() {
		c := &shutdown.Coordinator{Grace: 3 * time.Second}
		os.Exit(c.Main(func(context.Context) error {
			c.Stop(nil)
			say("grace %v", c.Report().Grace)
			return nil
		}))
	})
	scenario("the environment, without Main", func() {
		c := new(shutdown.Coordinator)
		c.Register(says("last"))
		c.Exit(3)
	})
}

func TestProcessEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{
		"is not set":              {nil, "25s"},
		"has both":                {[]string{graceVariable + "=60", preStopVariable + "=10"}, "48s"},
		"has the grace period":    {[]string{graceVariable + "=60"}, "58s"},
		"has fractions":           {[]string{graceVariable + "=7.5"}, "5.5s"},
		"has little":              {[]string{graceVariable + "=3"}, "1.5s"},
		"leaves less than margin": {[]string{graceVariable + "=30", preStopVariable + "=29"}, "500ms"},
		"has a pre-stop alone":    {[]string{preStopVariable + "=5"}, "25s"},
		"has no pre-stop":         {[]string{graceVariable + "=60", preStopVariable + "=0"}, "58s"},
		"has an empty pre-stop":   {[]string{graceVariable + "=60", preStopVariable + "="}, "58s"},
		"has both empty":          {[]string{graceVariable + "=", preStopVariable + "="}, "25s"},
		"has empty and pre-stop":  {[]string{graceVariable + "=", preStopVariable + "=5"}, "25s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "the environment's grace period", without(graceVariable, preStopVariable), with(tt.env...))
			p.exits(0)
			p.said("main", "grace "+tt.want, "last")
		})
	}
	t.Run("does not matter where Grace is set", func(t *testing.T) {
		t.Parallel()
		p := start(t, "a grace period that was set", with(graceVariable+"=nonsense"))
		p.exits(0)
		p.said("grace 3s")
	})
}

func TestProcessEnvironmentIsBad(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"-1", "abc", "10s", "NaN", "Inf", "1e300", " ", " 5"} {
		for _, variable := range []string{graceVariable, preStopVariable} {
			t.Run(fmt.Sprintf("%s=%q", variable, value), func(t *testing.T) {
				t.Parallel()
				env := []string{variable + "=" + value}
				if variable == preStopVariable {
					env = append(env, graceVariable+"=30")
				}
				p := start(t, "the environment's grace period", without(graceVariable, preStopVariable), with(env...))
				p.exits(1)
				p.said("last") // and not main
				p.logs(variable, strings.Trim(fmt.Sprintf("%q", value), `"`))
				if got := p.report().Error; !strings.Contains(got, variable) {
					t.Errorf("the report's error is %q, want it to name %s", got, variable)
				}
			})
		}
	}
	// With a grace period of 0 Kubernetes kills the program at once.
	for _, value := range []string{"0", "-0", "0.0000000001"} {
		t.Run(fmt.Sprintf("%s=%q", graceVariable, value), func(t *testing.T) {
			t.Parallel()
			p := start(t, "the environment's grace period", without(graceVariable, preStopVariable), with(graceVariable+"="+value))
			p.exits(1)
			p.said("last") // and not main
			p.logs(graceVariable, "without time to stop", "Coordinator.Grace")
		})
	}
	t.Run("a preStop hook that takes the whole grace period", func(t *testing.T) {
		t.Parallel()
		p := start(t, "the environment's grace period", with(graceVariable+"=30", preStopVariable+"=30"))
		p.exits(1)
		p.said("last")
		p.logs(graceVariable, preStopVariable)
	})
	t.Run("without Main, the handlers run all the same", func(t *testing.T) {
		t.Parallel()
		p := start(t, "the environment, without Main", with(graceVariable+"=nonsense"))
		p.exits(3)
		p.said("last")
		p.logs(graceVariable, "nonsense")
	})
}

// without removes variables from the child's environment.
func without(names ...string) change {
	return func(p *child) {
		var kept []string
		for _, v := range p.cmd.Env {
			name, _, _ := strings.Cut(v, "=")
			unwanted := false
			for _, n := range names {
				unwanted = unwanted || n == name
			}
			if !unwanted {
				kept = append(kept, v)
			}
		}
		p.cmd.Env = kept
	}
}
