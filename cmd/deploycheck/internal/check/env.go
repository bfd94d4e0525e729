package check

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// The variables that give package shutdown the values of its manifest.
const (
	graceVariable = "TERMINATION_GRACE_PERIOD_SECONDS"
	sleepVariable = "PRESTOP_SLEEP_SECONDS"
)

// environment compares these variables with the manifest. Kubernetes cannot set them: the downward
// API does not have the grace period.
func (s *subject) environment() {
	total, known := s.variable(graceVariable)
	sleep, sleepKnown := s.variable(sleepVariable)
	if !known || s.program.Grace.Field == "" || s.program.Grace.Value >= manifest.Forever {
		return
	}
	grace := s.Sums.Grace
	variable := s.lookup(graceVariable)
	from := setIn("$"+graceVariable, variable.From)
	defer s.at(variable.Field)()
	switch {
	case total > grace:
		s.Add(finding.EnvGraceAbove, fmt.Sprintf("$%s is %s, the grace period is %s: the program plans with time that it does not have%s", graceVariable, Seconds(total), Seconds(grace), from), "set both from one value")
	case total < grace:
		s.Add(finding.EnvGraceBelow, fmt.Sprintf("$%s is %s, the grace period is %s: the program does not use the rest%s", graceVariable, Seconds(total), Seconds(grace), from), "set both from one value")
	}
	value := "is " + Seconds(sleep)
	switch {
	case sleep >= total:
		s.Add(finding.EnvInvalid, fmt.Sprintf("$%s is %s, $%s is %s: no time is left to stop, and the program refuses to start", sleepVariable, Seconds(sleep), graceVariable, Seconds(total)), "write the manifest's values")
		return
	case s.Mode == Foreign, s.container == nil: // no other platform has a hook that sleeps in the grace period
		return
	case s.lookup(sleepVariable) == nil:
		value = "is not set"
	case !sleepKnown:
		return
	default:
		s.field = s.lookup(sleepVariable).Field
	}
	switch actual := s.sleep(); {
	case sleep < actual:
		s.Add(finding.EnvSleepBelow, fmt.Sprintf("the hook sleeps for %s, and $%s %s: the program plans with time that the hook has used", Seconds(actual), sleepVariable, value),
			fmt.Sprintf("%s: %q", sleepVariable, strconv.FormatInt(ceil(actual), 10)))
	case sleep > actual:
		s.Add(finding.EnvSleepAbove, fmt.Sprintf("$%s %s, the hook sleeps for %s: the program does not use the difference", sleepVariable, value, Seconds(actual)), "set both from one value, or remove the variable if the hook does not sleep")
	}
}

// lookup returns the program's variable of that name. The last one counts. An empty one counts as not
// set, as in package shutdown.
func (s *subject) lookup(name string) *manifest.Variable {
	for i := len(s.program.Env) - 1; i >= 0; i-- {
		v := &s.program.Env[i]
		if v.Name != name {
			continue
		}
		if v.Known && v.Value == "" {
			return nil
		}
		return v
	}
	return nil
}

// seconds returns the value of a variable in seconds, if the manifest has it and it is valid.
func (s *subject) seconds(name string) (d time.Duration, ok bool) {
	v := s.lookup(name)
	if v == nil || !v.Known {
		return 0, false
	}
	n, err := strconv.ParseFloat(v.Value, 64)
	n *= float64(time.Second)
	ok = err == nil && n >= 0 && n <= math.MaxInt64/2 // the same rule as in package shutdown
	if !ok || name == graceVariable && n < 1 {
		return 0, false
	}
	return time.Duration(n), true
}

// variable does the same, and adds a finding if there is a variable without a valid value.
func (s *subject) variable(name string) (d time.Duration, ok bool) {
	v := s.lookup(name)
	if v == nil {
		return 0, false
	}
	if d, ok = s.seconds(name); ok {
		return d, true
	}
	defer s.at(v.Field)()
	from := setIn("$"+name, v.From)
	if !v.Known {
		s.Add(finding.EnvNotChecked, fmt.Sprintf("the value of $%s is not in the manifest: not compared%s", name, from), "write the value into the manifest, from the same template as the grace period")
	} else {
		s.Add(finding.EnvInvalid, fmt.Sprintf("$%s is %q, not a number of seconds above 0: the program refuses to start%s", name, v.Value, from), "write a number of seconds, or remove the variable")
	}
	return 0, false
}
