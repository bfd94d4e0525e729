package manifest

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// A Program is one program, as its file describes it. A field that the format does not have is zero.
type Program struct {
	Name string // of the container, service, unit, task or process
	// Path is the path of the program in its document, for findings about all of it.
	Path string
	// Grace is the time from the request to stop to SIGKILL.
	Grace Setting[time.Duration]
	// Signal stops the program, such as SIGTERM. Its value is empty if the file does not say,
	// and the platform has no signal of its own.
	Signal Setting[string]
	// Also are further signals that it gets when it stops or restarts.
	Also []Setting[string]
	// Command is the first process with its arguments. For a command line that the platform
	// gives to a shell, it begins with the shell and -c. It is nil if the file does not say.
	Command Setting[[]string]
	// Env are the variables of its environment. The last one of a name counts.
	Env   []Variable
	Ports []Port
	// Own is true if the file says that this is the program, and not another one that runs with
	// it. It is for formats in which more than one may be it.
	Own bool
	// Only is true if the format has one program in a file, so that no name selects it.
	Only bool
	// Before are the commands that the platform runs before the signal, and Wait is how long it
	// waits before the signal. Neither is in the grace period.
	Before [][]string
	Wait   time.Duration
	// Container is set in Kubernetes only. Sidecar is true for a native sidecar.
	Container *corev1.Container
	Sidecar   bool
	// Faults are the findings of the reader about this program only.
	Faults []finding.Finding
}

func (p *Program) fault(code finding.Code, field, message, fix string) {
	p.Faults = append(p.Faults, finding.New(code, field, message, fix))
}

// A Setting is a value of a file, or the default of its platform.
type Setting[T any] struct {
	Value T
	// Text is the value as the file has it. It is empty if the file does not have it, and Value
	// is the default.
	Text string
	// Field is the path of the field, whether the file has it or not.
	Field string
	// Beside is the path of a field before which this one can be written where the file does not
	// have it. It is empty if the format has no such place.
	Beside string
	// From is the other file that has the value, such as an override or a drop-in. It is empty if
	// the file itself has it.
	From string
	// Fixed is true for a default that nothing outside the file changes, such as an image.
	Fixed bool
	// Most is the greatest value that the platform allows; zero means that there is no limit.
	// AtMost says what to do if a greater one is needed.
	Most   T
	AtMost string
	// Write returns the field with a value, as the format writes it: stop_grace_period: 30s.
	// It is nil if findings never suggest another value.
	Write func(T) string
}

// IsSet reports whether the file has the value.
func (s Setting[T]) IsSet() bool { return s.Text != "" }

// A Variable is a variable of the environment.
type Variable struct {
	Name, Value string
	Known       bool   // Value is the value: it does not come from another object
	Field       string // the path of the variable
	From        string // the other file that has it, as in a Setting
}

// A Port is a port on which the program serves.
type Port struct {
	Number int
	Name   string // may be empty
}
