package check

import (
	"fmt"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// before checks what other platforms than Kubernetes do before they send the signal: commands, such
// as pre_stop of Compose, and a wait, such as shutdown_delay of Nomad. Neither is in the grace period.
func (s *subject) before() {
	for _, argv := range s.program.Before {
		text := strings.Join(argv, " ")
		if len(s.budget.PreStop.Exec) > 0 && hasPrefix(argv, s.budget.PreStop.Exec) {
			s.Mode, s.Sums.Delay = HandshakeExec, 0 // the delay is over when the signal comes
		}
		s.Add(finding.PreStopOutside, fmt.Sprintf("%s runs before the signal, and is not in the grace period", text), s.beforeFix())
	}
	if s.program.Wait > 0 && s.Sums.Delay > 0 {
		s.Add(finding.DoubleWait, fmt.Sprintf("the platform waits for %s before the signal, and then the program waits for another %s", Seconds(s.program.Wait), Seconds(s.Sums.Delay)),
			"set the program's delay to 0, or remove ShutdownDelay")
	}
}

func (s *subject) beforeFix() string {
	if s.workload.Kind == "Compose" {
		return "nothing; docker compose stop, down and restart run it, docker stop and the end of the container do not"
	}
	return "nothing; it has a time limit of its own"
}

func (s *subject) graceDefault(name, fix string) {
	grace := s.program.Grace
	if grace.Write == nil {
		s.Add(finding.GraceDefault, fmt.Sprintf("the grace period is always %s", Seconds(grace.Value)), "nothing, it cannot be set")
		return
	}
	s.Add(finding.GraceDefault, fmt.Sprintf("%s is not set: the default is %s", name, Seconds(grace.Value)), "set it: "+fix)
}

func (s *subject) signalFix() string {
	if s.workload.Kind == "Procfile" {
		return "handle SIGTERM in the program, and correct -signals"
	}
	return fmt.Sprintf("set %s to a signal that the program handles, or handle it and correct -signals", lastPart(s.program.Signal.Field))
}

func (s *subject) jobFix() string {
	if s.container == nil {
		return "set the program's delay to 0"
	}
	return "set the program's delay to 0, and remove the preStop hook"
}

func (s *subject) jobKind() string {
	if s.workload.Batch {
		return "batch job"
	}
	return s.workload.Kind
}

// passedOver names the programs of a file that are not checked, since the file says that others are
// the program.
func (r *Result) passedOver(w *manifest.Workload) {
	var others []string
	for i := range w.Programs {
		if !w.Programs[i].Own {
			others = append(others, w.Programs[i].Name)
		}
	}
	if len(others) > 0 {
		r.Add(finding.ContainerPassed, fmt.Sprintf("not checked: %s, since the file marks other programs as the project's own", list(others)), "nothing, if this is right; otherwise name the program with -container")
	}
}
