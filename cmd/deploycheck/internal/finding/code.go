package finding

import "maps"

// A Severity is how serious a finding is.
type Severity int

// The severities.
const (
	// Note is for a fact worth knowing.
	Note Severity = iota
	// Warning is for a manifest that works, but wastes time, leaves too little headroom, or
	// breaks easily.
	Warning
	// Error is for a program that is killed before it has exited, a hook or signal that does
	// not reach it, a field that does not have the effect it seems to have, or an object that
	// the API server rejects.
	Error
)

// String returns note, warning or error.
func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// Verdict returns ok, warn or error.
func (s Severity) Verdict() string { return [...]string{"ok", "warn", "error"}[s] }

// A Code names a rule. Codes do not change; README.md explains each.
type Code string

// The codes.
const (
	Unreadable      Code = "unreadable"
	UnknownAPI      Code = "unknown-api"
	UnknownWorkload Code = "unknown-workload"
	NotRendered     Code = "not-rendered"
	WrongType       Code = "wrong-type"
	UnknownField    Code = "unknown-field"
	DuplicateField  Code = "duplicate-field"
	GraceMisplaced  Code = "grace-misplaced"
	NoWorkload      Code = "no-workload"
	FilePassedOver  Code = "file-passed-over"

	NoContainers       Code = "no-containers"
	ContainerAmbiguous Code = "container-ambiguous"
	ContainerAbsent    Code = "container-absent"
	ProgramAbsent      Code = "program-absent"

	GraceDefault      Code = "grace-default"
	GraceZero         Code = "grace-zero"
	GraceTooShort     Code = "grace-too-short"
	GraceTight        Code = "grace-tight"
	ProgramGrace      Code = "program-grace-too-long"
	GraceLimit        Code = "grace-limit"
	GraceCapped       Code = "grace-capped"
	GraceInfinite     Code = "grace-infinite"
	GraceExtended     Code = "grace-extended"
	ProbeGraceShort   Code = "probe-grace-too-short"
	ProbeGraceInvalid Code = "probe-grace-invalid"

	DoubleWait Code = "double-wait"
	JobDelay   Code = "job-delay"
	WaitShort  Code = "wait-short"

	ServiceWaitShort Code = "service-wait-short"
	ServiceTooEarly  Code = "service-too-early"
	GRPCMinReady     Code = "grpc-min-ready"

	HandlerCount    Code = "prestop-handlers"
	PreStopTCP      Code = "prestop-tcp"
	PreStopForeign  Code = "prestop-foreign"
	PreStopHost     Code = "prestop-host"
	PreStopPort     Code = "prestop-port"
	PreStopScheme   Code = "prestop-scheme"
	PreStopPortName Code = "prestop-port-name"
	PreStopInit     Code = "prestop-init-container"
	HostNetwork     Code = "hostnetwork-no-host"

	HandshakePath    Code = "handshake-path"
	HandshakePort    Code = "handshake-port"
	HandshakeCommand Code = "handshake-command"

	SleepTooLong  Code = "sleep-exceeds-grace"
	SleepNegative Code = "sleep-negative"
	SleepZero     Code = "sleep-zero"
	ExecSleep     Code = "exec-sleep"
	ExecShell     Code = "exec-shell"
	ExecOneString Code = "exec-one-string"

	ShellPID1       Code = "shell-pid1"
	ShellScript     Code = "shell-script"
	StopSignal      Code = "stop-signal"
	StopSignalOS    Code = "stop-signal-os"
	StopSignalAlpha Code = "stop-signal-alpha"
	SIGTERMUnheard  Code = "sigterm-unheard"

	EnvGraceAbove  Code = "env-grace-above"
	EnvGraceBelow  Code = "env-grace-below"
	EnvSleepAbove  Code = "env-sleep-above"
	EnvSleepBelow  Code = "env-sleep-below"
	EnvInvalid     Code = "env-invalid"
	EnvNotChecked  Code = "env-not-checked"
	DownwardAPI    Code = "downward-api"
	NativeSidecars Code = "native-sidecars"
	SidecarProgram Code = "sidecar-program"
	NeighbourSlow  Code = "neighbour-slow"
	ProxyBeside    Code = "proxy-beside"
	SidecarNotInit Code = "sidecar-not-init"
	RestartRules   Code = "restart-rules"

	ContainerPassed  Code = "container-passed-over"
	CommandCut       Code = "command-cut"
	KillMode         Code = "kill-mode"
	RestartAfterStop Code = "restart-after-stop"
	PreStopOutside   Code = "prestop-outside"
)

var severities = map[Code]Severity{
	Unreadable:      Error,
	UnknownAPI:      Error,
	UnknownWorkload: Warning,
	NotRendered:     Warning,
	WrongType:       Error,
	UnknownField:    Error,
	DuplicateField:  Error,
	GraceMisplaced:  Error,
	NoWorkload:      Warning,
	FilePassedOver:  Note,

	NoContainers:       Error,
	ContainerAmbiguous: Error,
	ContainerAbsent:    Note,
	ProgramAbsent:      Warning,

	GraceDefault:      Note,
	GraceZero:         Error,
	GraceTooShort:     Error,
	GraceTight:        Warning,
	ProgramGrace:      Warning,
	GraceLimit:        Error,
	GraceCapped:       Warning,
	GraceInfinite:     Note,
	GraceExtended:     Note,
	ProbeGraceShort:   Warning,
	ProbeGraceInvalid: Error,

	DoubleWait: Warning,
	JobDelay:   Warning,
	WaitShort:  Note,

	ServiceWaitShort: Warning,
	ServiceTooEarly:  Warning,
	GRPCMinReady:     Note,

	HandlerCount:    Error,
	PreStopTCP:      Error,
	PreStopForeign:  Warning,
	PreStopHost:     Error,
	PreStopPort:     Error,
	PreStopScheme:   Error,
	PreStopPortName: Error,
	PreStopInit:     Error,
	HostNetwork:     Error,

	HandshakePath:    Error,
	HandshakePort:    Error,
	HandshakeCommand: Error,

	SleepTooLong:  Error,
	SleepNegative: Error,
	SleepZero:     Warning,
	ExecSleep:     Warning,
	ExecShell:     Warning,
	ExecOneString: Error,

	ShellPID1:       Error,
	ShellScript:     Warning,
	StopSignal:      Error,
	StopSignalOS:    Error,
	StopSignalAlpha: Note,
	SIGTERMUnheard:  Warning,

	EnvGraceAbove:  Error,
	EnvGraceBelow:  Warning,
	EnvSleepAbove:  Warning,
	EnvSleepBelow:  Error,
	EnvInvalid:     Error,
	EnvNotChecked:  Note,
	DownwardAPI:    Error,
	NativeSidecars: Note,
	SidecarProgram: Warning,
	NeighbourSlow:  Note,
	ProxyBeside:    Warning,
	SidecarNotInit: Warning,
	RestartRules:   Note,

	ContainerPassed:  Note,
	CommandCut:       Error,
	KillMode:         Error,
	RestartAfterStop: Warning,
	PreStopOutside:   Note,
}

// Codes returns all codes with their severities.
func Codes() map[Code]Severity { return maps.Clone(severities) }
