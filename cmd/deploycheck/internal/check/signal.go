package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// signals checks that the signal of the kubelet reaches the program, and that the program handles
// it.
func (s *subject) signals() {
	s.shell()
	handles := func(signal corev1.Signal) bool { return slices.Contains(s.budget.Signals, string(signal)) }
	var stop *corev1.Signal
	if s.container.Lifecycle != nil {
		stop = s.container.Lifecycle.StopSignal
	}
	switch {
	case stop != nil && !handles(*stop):
		s.Add(StopSignal, fmt.Sprintf("stopSignal is %s, and the program handles %s", *stop, only(s.budget.Signals)),
			"remove stopSignal, or handle it in the program and correct -signals")
	case stop != nil && *stop != corev1.SIGTERM:
		s.Add(StopSignalAlpha, fmt.Sprintf("stopSignal %s needs the feature gate ContainerStopSignals (alpha in 1.33, off by default): without it the kubelet sends SIGTERM or the image's STOPSIGNAL", *stop),
			"handle both signals in the program, or remove stopSignal")
	}
	if stop == nil && !handles(corev1.SIGTERM) {
		s.Add(SIGTERMUnheard, fmt.Sprintf("the kubelet sends SIGTERM, and the program handles %s", only(s.budget.Signals)),
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
	argv := append(slices.Clone(s.container.Command), s.container.Args...)
	if len(s.container.Command) == 0 {
		return // the image's entrypoint runs
	}
	argv = withoutInit(argv)
	args, isShell := withoutShell(argv)
	script, isScript := shellScript(argv)
	switch {
	case isScript && !replacesShell(script):
		s.Add(ShellPID1, fmt.Sprintf("%s is the first process, and does not forward SIGTERM to the program (some shells, not all, replace themselves by a single command)", argv[0]),
			"write exec before the program, or run it without a shell: command: [\"/app\", \"-flag\"]")
	case isShell && !isScript && len(args) > 0:
		s.Add(ShellScript, fmt.Sprintf("%s %s: SIGTERM does not reach the program unless the script starts it with exec", argv[0], strings.Join(args, " ")),
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
