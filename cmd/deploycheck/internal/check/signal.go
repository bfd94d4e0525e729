package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// signals checks that the signal of the kubelet reaches the program, and that the program handles
// it. For stopSignal see KEP-4960, and ContainerStopSignals in pkg/features/kube_features.go of
// Kubernetes.
func (s *subject) signals() {
	s.shell()
	s.signal(s.program.Signal)
	for _, also := range s.program.Also {
		s.signal(also)
	}
}

func (s *subject) signal(stop manifest.Setting[string]) {
	defer s.at(stop.Field)()
	handles := slices.Contains(s.budget.Signals, stop.Value)
	is := lastPart(stop.Field) + " is"
	if stop.Field == "ExecStop" || stop.Field == "SendSIGHUP" { // a command, and a switch
		is = stop.Field + " sends"
	}
	_, exists := manifest.SignalName(stop.Value)
	switch {
	case stop.IsSet() && !exists:
		s.Add(finding.StopSignal, fmt.Sprintf("%s %s, which is not a signal%s", is, stop.Text, setIn(lastPart(stop.Field), stop.From)),
			"write the name of a signal that the program handles, such as SIGTERM")
	case stop.IsSet() && !handles:
		s.Add(finding.StopSignal, fmt.Sprintf("%s %s, and the program handles %s%s", is, stop.Text, only(s.budget.Signals), setIn(lastPart(stop.Field), stop.From)),
			fmt.Sprintf("remove %s, or handle it in the program and correct -signals", lastPart(stop.Field)))
	case s.container != nil && stop.IsSet() && stop.Value != "SIGTERM":
		s.Add(finding.StopSignalAlpha, fmt.Sprintf("stopSignal %s needs the feature gate ContainerStopSignals (alpha since 1.33, off by default in 1.37 still): without it the kubelet sends SIGTERM or the image's STOPSIGNAL", stop.Value),
			"handle both signals in the program, or remove stopSignal")
	case stop.Fixed && !handles:
		s.Add(finding.StopSignal, fmt.Sprintf("the platform sends %s, and the program handles %s", stop.Value, only(s.budget.Signals)), s.signalFix())
	case s.container == nil && !stop.IsSet() && !handles:
		s.Add(finding.SIGTERMUnheard, fmt.Sprintf("the platform sends %s if the image has no STOPSIGNAL, and the program handles %s", stop.Value, only(s.budget.Signals)),
			"handle SIGTERM in the program; nothing, if the image has a STOPSIGNAL that the program handles")
	case s.container != nil && !stop.IsSet() && !handles:
		s.Add(finding.SIGTERMUnheard, fmt.Sprintf("the kubelet sends %s, and the program handles %s", stop.Value, only(s.budget.Signals)),
			"handle SIGTERM in the program; nothing, if the image has a STOPSIGNAL that the program handles")
	}
}

// only returns "only a, b and c", or "no signals".
func only(signals []string) string {
	if len(signals) == 0 {
		return "no signals"
	}
	return "only " + list(signals)
}

// shell finds a shell that is the first process of the container: the signal goes to that process
// only.
func (s *subject) shell() {
	defer s.at(s.program.Command.Field)()
	argv := withoutInit(s.program.Command.Value)
	args, isShell := withoutShell(argv)
	script, isScript := shellScript(argv)
	from := setIn(lastPart(s.program.Command.Field), s.program.Command.From)
	switch {
	case isScript && !replacesShell(script):
		s.Add(finding.ShellPID1, fmt.Sprintf("%s is the first process, and does not forward the signal to the program (some shells, not all, replace themselves by a single command)%s", argv[0], from),
			"write exec before the program, or run it without a shell: [\"/app\", \"-flag\"]")
	case isShell && !isScript && len(args) > 0:
		s.Add(finding.ShellScript, fmt.Sprintf("%s %s: the signal does not reach the program unless the script starts it with exec%s", argv[0], strings.Join(args, " "), from),
			"make sure that the script starts the program with exec")
	case s.container == nil && len(argv) > 0 && path.Ext(argv[0]) == ".sh":
		s.Add(finding.ShellScript, fmt.Sprintf("%s is a script: the signal does not reach the program unless the script starts it with exec%s", argv[0], from),
			"make sure that the script starts the program with exec")
	}
}

func withoutInit(argv []string) []string {
	if len(argv) == 0 || !slices.Contains(inits, path.Base(argv[0])) {
		return argv
	}
	argv = argv[1:]
	for len(argv) > 0 && strings.HasPrefix(argv[0], "-") {
		argv = argv[1:]
	}
	return argv
}
