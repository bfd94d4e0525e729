package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The variables that tell a program built with shutdown what its manifest says.
const (
	graceVariable = "TERMINATION_GRACE_PERIOD_SECONDS"
	sleepVariable = "PRESTOP_SLEEP_SECONDS"
)

// environment compares what the program is told with what is so. Nothing in Kubernetes
// does: the downward API does not offer the grace period.
func (s *subject) environment() {
	total, known := s.variable(graceVariable)
	sleep, sleepKnown := s.variable(sleepVariable)
	if !known {
		return
	}
	grace := s.Sums.Grace
	switch {
	case total > grace:
		s.Add(EnvGraceAbove, fmt.Sprintf("$%s says %s, the grace period is %s: the program counts on time that it does not have", graceVariable, Seconds(total), Seconds(grace)), "write both from one value")
	case total < grace:
		s.Add(EnvGraceBelow, fmt.Sprintf("$%s says %s, the grace period is %s: the rest is wasted", graceVariable, Seconds(total), Seconds(grace)), "write both from one value")
	}
	says := "says " + Seconds(sleep)
	switch {
	case sleep >= total:
		s.Add(EnvInvalid, fmt.Sprintf("$%s, %s, leaves nothing of $%s, %s: the program refuses to start", sleepVariable, Seconds(sleep), graceVariable, Seconds(total)), "write what the manifest says")
		return
	case s.Mode == Foreign:
		return
	case s.lookup(sleepVariable) == nil:
		says = "is not set"
	case !sleepKnown:
		return
	}
	switch actual := s.sleep(); {
	case sleep < actual:
		s.Add(EnvSleepBelow, fmt.Sprintf("the hook sleeps %s, and $%s %s: the program, which does not see the hook, counts on time that has passed", Seconds(actual), sleepVariable, says),
			fmt.Sprintf("%s: %q", sleepVariable, strconv.FormatInt(ceil(actual), 10)))
	case sleep > actual:
		s.Add(EnvSleepAbove, fmt.Sprintf("$%s %s, the hook sleeps %s: the program gives away the difference", sleepVariable, says, Seconds(actual)), "write both from one value, or leave the variable out where there is no sleep")
	}
}

// lookup finds the container's variable of that name: the last one counts, and an empty one
// is none, as package shutdown has it.
func (s *subject) lookup(name string) *corev1.EnvVar {
	for i := len(s.container.Env) - 1; i >= 0; i-- {
		e := &s.container.Env[i]
		if e.Name != name {
			continue
		}
		if text, ok := s.value(e); ok && text == "" {
			return nil
		}
		return e
	}
	return nil
}

// variable reads one in seconds, if it is set and stands in the manifest.
func (s *subject) variable(name string) (d time.Duration, known bool) {
	e := s.lookup(name)
	if e == nil {
		return 0, false
	}
	text, ok := s.value(e)
	if !ok {
		s.Add(EnvNotChecked, fmt.Sprintf("$%s comes from elsewhere: not compared with the manifest", name), "write the value into the manifest, from the same template as the grace period")
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	n *= float64(time.Second)
	switch {
	case err != nil || !(n >= 0) || n > math.MaxInt64/2: // as package shutdown has it
		s.Add(EnvInvalid, fmt.Sprintf("$%s is %q, not a number of seconds: the program refuses to start", name, text), "write a number of seconds, or leave the variable out")
		return 0, false
	case name == graceVariable && n < 1:
		s.Add(EnvInvalid, fmt.Sprintf("$%s is %q, which is no time to stop: the program refuses to start", name, text), "write a number of seconds above 0, or leave the variable out")
		return 0, false
	}
	return time.Duration(n), true
}

// value is a variable's, if the manifest has it: as such, or in an annotation of the pod.
func (s *subject) value(e *corev1.EnvVar) (string, bool) {
	if e.ValueFrom == nil {
		return e.Value, !strings.Contains(e.Value, "$(")
	}
	if e.ValueFrom.FieldRef == nil {
		return "", false
	}
	key, ok := strings.CutPrefix(e.ValueFrom.FieldRef.FieldPath, "metadata.annotations['")
	key, closed := strings.CutSuffix(key, "']")
	return s.workload.Pod.Annotations[key], ok && closed
}
