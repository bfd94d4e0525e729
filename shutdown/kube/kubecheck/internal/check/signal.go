package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// signals asks whether what the kubelet sends is heard.
func (s *subject) signals() {
	s.shell()
	hears := func(signal corev1.Signal) bool { return slices.Contains(s.budget.Signals, string(signal)) }
	var stop *corev1.Signal
	if s.container.Lifecycle != nil {
		stop = s.container.Lifecycle.StopSignal
	}
	switch {
	case stop != nil && !hears(*stop):
		s.Add(StopSignal, fmt.Sprintf("stopSignal is %s, and the program listens to %s only", *stop, list(s.budget.Signals)),
			"remove stopSignal, or let the program listen to it and correct -signals")
	case stop != nil && *stop != corev1.SIGTERM:
		s.Add(StopSignalAlpha, fmt.Sprintf("stopSignal %s is sent only where the feature gate ContainerStopSignals is on (alpha in 1.33, off by default): elsewhere the kubelet sends SIGTERM or the image's STOPSIGNAL", *stop),
			"let the program listen to both, or remove stopSignal")
	}
	if stop == nil && !hears(corev1.SIGTERM) {
		s.Add(SIGTERMUnheard, fmt.Sprintf("the kubelet sends SIGTERM, and the program listens to %s only", list(s.budget.Signals)),
			"let the program listen to SIGTERM; or nothing, if the image has STOPSIGNAL")
	}
}

// shell finds a shell between the runtime, which signals the first process, and the
// program.
func (s *subject) shell() {
	argv := append(slices.Clone(s.container.Command), s.container.Args...)
	if len(s.container.Command) == 0 {
		return // the image has the entrypoint
	}
	argv = withoutInit(argv)
	args, isShell := withoutShell(argv)
	script, isScript := shellScript(argv)
	switch {
	case isScript && !replacesShell(script):
		s.Add(ShellPID1, fmt.Sprintf("%s is the first process, and does not pass SIGTERM on to the program (some shells replace themselves where there is one command; not all do)", argv[0]),
			"put exec before the program, or leave the shell out: command: [\"/app\", \"-flag\"]")
	case isShell && !isScript && len(args) > 0:
		s.Add(ShellScript, fmt.Sprintf("%s %s: if the program is not started with exec there, SIGTERM does not reach it", argv[0], strings.Join(args, " ")),
			"see to it that the script ends with exec and the program")
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
